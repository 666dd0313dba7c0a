//! The sandboxes over raw HTTP: what no connector asks for, but a person with a tool does.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as the tests")]

use dwmap::sandbox::{Config, Dialect, Running, Sandbox};
use dwmap::schema::snapshot;
use reqwest::Method;
use serde_json::{Value as Json, json};

const SCHEMA: &str = r#"{
  "format_version": 1,
  "enums": {"NoYes": {"members": ["No", "Yes"]}},
  "entities": {
    "account": {
      "set": "accounts", "key": ["id"], "unique": [["number"]],
      "fields": {"id": "guid", "number": "text<20>?", "name": "text?", "limit": "decimal<20,2>?", "visits": "int32?", "parent": "lookup account?"}
    }
  }
}"#;

const FINOPS: &str = r#"{
  "format_version": 1,
  "enums": {"NoYes": {"members": ["No", "Yes"]}},
  "entities": {
    "Items": {
      "key": ["dataAreaId", "Item"], "partition": "dataAreaId",
      "fields": {"dataAreaId": "text<4>", "Item": "text<20>", "Stopped": "NoYes", "Weight": "decimal<32,6>"}
    }
  }
}"#;

struct Caller {
    sandbox: Running,
    token: String,
}

struct Got {
    status: u16,
    etag: String,
    body: Json,
}

impl Caller {
    async fn start(dialect: Dialect, schema: &str) -> Self {
        let sandbox = Sandbox::start(Config::new(dialect, snapshot::parse(schema).unwrap())).await.unwrap();
        let form = [("grant_type", "client_credentials"), ("client_id", "dwmap"), ("client_secret", "sandbox-secret")];
        let granted = reqwest::Client::new().post(sandbox.token_url()).form(&form).send().await.unwrap();
        let granted: Json = granted.json().await.unwrap();
        Self { token: granted["access_token"].as_str().unwrap().to_owned(), sandbox }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Json) -> Got {
        let mut request =
            reqwest::Client::new().request(method, format!("{}{path}", self.sandbox.url())).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let etag = answer.headers().get("etag").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap_or(Json::String(text)) };
        Got { status, etag, body }
    }

    async fn get(&self, path: &str) -> Got {
        self.ask(Method::GET, path, &[], Json::Null).await
    }

    /// The values of one field of the rows that a query finds.
    async fn found(&self, path: &str, field: &str) -> Vec<Json> {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.body["value"].as_array().unwrap().iter().map(|it| it[field].clone()).collect()
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_token() {
    let caller = Caller { token: "guessed".to_owned(), ..Caller::start(Dialect::Dataverse, SCHEMA).await };
    let got = caller.get("/api/data/v9.2/accounts").await;
    assert_eq!((got.status, got.body["error"]["code"].as_str()), (401, Some("0x80040220")));
}

#[tokio::test]
async fn metadata_and_service_document_tell_the_schema() {
    let dataverse = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let Json::String(csdl) = dataverse.get("/api/data/v9.2/$metadata").await.body else { panic!("no text") };
    for part in [
        r#"<EntitySet Name="accounts" EntityType="Microsoft.Dynamics.CRM.account"/>"#,
        r#"<PropertyRef Name="id"/>"#,
        r#"<Property Name="_parent_value" Type="Edm.Guid"/>"#,
        r#"<NavigationProperty Name="parent" Type="Microsoft.Dynamics.CRM.account"/>"#,
    ] {
        assert!(csdl.contains(part), "{part} is not in {csdl}");
    }
    assert_eq!(dataverse.found("/api/data/v9.2/", "url").await, ["accounts"]);
    let finops = Caller::start(Dialect::Finops, FINOPS).await;
    let Json::String(csdl) = finops.get("/data/$metadata").await.body else { panic!("no text") };
    assert!(csdl.contains(r#"<EnumType Name="NoYes"><Member Name="No" Value="0"/>"#), "{csdl}");
}

#[tokio::test]
async fn a_filter_finds_what_it_says() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    for (number, name, limit, visits) in
        [("A", "Ana", "1.50", json!(1)), ("B", "O'Brien", "20", json!(null)), ("C", "ana ", "3", json!(7))]
    {
        let row: Json = serde_json::from_str(&format!(r#"{{"number":"{number}","name":"{name}","limit":{limit}}}"#)).unwrap();
        let mut row = row.as_object().unwrap().clone();
        row.insert("visits".to_owned(), visits);
        caller.sandbox.insert("account", row).unwrap();
    }
    for (filter, expected) in [
        ("name eq 'ANA'", vec!["A", "C"]),
        ("name eq 'O''Brien'", vec!["B"]),
        ("limit gt 1.5", vec!["B", "C"]),
        ("limit le 1.5 or number eq 'B'", vec!["A", "B"]),
        ("not (visits eq null) and visits ne 7", vec!["A"]),
        ("visits ge 1 and (limit lt 2 or limit gt 2)", vec!["A", "C"]),
        ("number eq 'zz'", vec![]),
    ] {
        let path = format!("/api/data/v9.2/accounts?$select=number&$orderby=number&$filter={}", filter.replace(' ', "%20"));
        assert_eq!(caller.found(&path, "number").await, expected, "{filter}");
    }
    assert_eq!(caller.found("/api/data/v9.2/accounts?$orderby=number%20desc&$top=2", "number").await, ["C", "B"]);
    for wrong in
        ["$filter=nme%20eq%201", "$filter=name%20eq%20'a", "$filter=visits%20eq%20'x'", "$skip=1", "$filter=(name%20eq%20'a'"]
    {
        assert_eq!(caller.get(&format!("/api/data/v9.2/accounts?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn dataverse_upserts_by_alternate_key_unless_told_otherwise() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let path = "/api/data/v9.2/accounts(number='N%2F1')";
    let patch = async |condition: (&str, &str), name: &str| {
        let headers = [condition, ("prefer", "return=representation")];
        caller.ask(Method::PATCH, path, &headers, json!({"name": name})).await
    };
    assert_eq!(patch(("if-match", "*"), "A").await.status, 404);
    let created = patch(("if-none-match", "*"), "A").await;
    assert_eq!((created.status, created.body["number"].as_str()), (201, Some("N/1")));
    assert_eq!(patch(("if-none-match", "*"), "B").await.status, 412);
    let updated = patch(("accept", "*/*"), "C").await;
    assert_eq!((updated.status, updated.body["name"].as_str()), (200, Some("C")));
    assert_eq!(patch(("if-match", &created.etag), "D").await.status, 412);
    let same = caller.ask(Method::GET, path, &[("if-none-match", &updated.etag)], Json::Null).await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn a_deleted_row_is_no_longer_referred_to() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let parent = caller.sandbox.insert("account", json!({"name": "P"}).as_object().unwrap().clone()).unwrap();
    let child = json!({"name": "C", "parent@odata.bind": format!("/accounts({parent})")});
    let child = caller.sandbox.insert("account", child.as_object().unwrap().clone()).unwrap();
    assert_eq!(caller.sandbox.row("account", &child).unwrap()["_parent_value"], parent.as_str());
    caller.sandbox.delete("account", &parent).unwrap();
    assert_eq!(caller.sandbox.row("account", &child).unwrap()["_parent_value"], Json::Null);
}

#[tokio::test]
async fn finops_shows_other_companies_only_when_asked_and_never_upserts() {
    let caller = Caller::start(Dialect::Finops, FINOPS).await;
    for company in ["usmf", "DEMF"] {
        let row = json!({"dataAreaId": company, "Item": "I1 ", "Stopped": "yes"});
        caller.sandbox.insert("Items", row.as_object().unwrap().clone()).unwrap();
    }
    assert_eq!(caller.found("/data/Items", "dataAreaId").await, ["usmf"]);
    assert_eq!(caller.found("/data/Items?cross-company=true", "dataAreaId").await, ["demf", "usmf"]);
    let stopped = "/data/Items?$filter=Stopped%20eq%20Microsoft.Dynamics.DataEntities.NoYes'Yes'";
    assert_eq!(caller.found(stopped, "Stopped").await, ["Yes"]);
    let demf = "/data/Items(dataAreaId='demf',Item='i1')";
    assert_eq!(caller.get(demf).await.status, 404);
    let seen = caller.get(&format!("{demf}?cross-company=true")).await;
    assert_eq!((seen.status, seen.body["Item"].as_str()), (200, Some("I1")));
    assert_eq!(caller.get("/data/Items('I1')").await.status, 400);
    let lost = caller.ask(Method::PATCH, "/data/Items(dataAreaId='usmf',Item='I2')", &[], json!({"Weight": 1})).await;
    assert_eq!(lost.status, 404);
    let twice = caller.ask(Method::POST, "/data/Items", &[], json!({"Item": "i1"})).await;
    assert_eq!(twice.status, 400);
    let text = twice.body["error"]["innererror"]["message"].as_str().unwrap();
    assert!(text.contains("Infolog") && text.contains("already exists"), "{text}");
}

#[tokio::test]
async fn a_stopped_sandbox_frees_its_port() {
    let sandbox = Sandbox::start(Config::new(Dialect::Finops, snapshot::parse(FINOPS).unwrap())).await.unwrap();
    let port = sandbox.url().rsplit(':').next().unwrap().parse().unwrap();
    sandbox.stop().await;
    let again = Config { port, ..Config::new(Dialect::Finops, snapshot::parse(FINOPS).unwrap()) };
    assert!(Sandbox::start(again).await.is_ok());
}
