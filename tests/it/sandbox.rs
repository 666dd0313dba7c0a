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
        r#"<NavigationProperty Name="parent" Type="Microsoft.Dynamics.CRM.account"><ReferentialConstraint Property="_parent_value" ReferencedProperty="id"/>"#,
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
    let path = "/api/data/v9.2/accounts(number='N1')";
    let patch = async |condition: (&str, &str), name: &str| {
        let headers = [condition, ("prefer", "return=representation")];
        caller.ask(Method::PATCH, path, &headers, json!({"name": name})).await
    };
    assert_eq!(patch(("if-match", "*"), "A").await.status, 404);
    let created = patch(("if-none-match", "*"), "A").await;
    assert_eq!((created.status, created.body["number"].as_str()), (201, Some("N1")));
    assert_eq!(patch(("if-none-match", "*"), "B").await.status, 412);
    let updated = patch(("accept", "*/*"), "C").await;
    assert_eq!((updated.status, updated.body["name"].as_str()), (200, Some("C")));
    assert_eq!(patch(("if-match", &created.etag), "D").await.status, 412);
    let same = caller.ask(Method::GET, path, &[("if-none-match", &updated.etag)], Json::Null).await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn an_alternate_key_with_certain_characters_cannot_be_addressed() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    for key in ["a%2Fb", "a%25b", "a%26b", "a%5Cb", "a%3Fb", "a%2Bb", "a%3Ab", "a*b", "a%3Cb", "a%3Eb"] {
        let got = caller.get(&format!("/api/data/v9.2/accounts(number='{key}')")).await;
        assert_eq!(got.status, 400, "{key}");
    }
    assert_eq!(caller.get("/api/data/v9.2/accounts(number='O%27%27Brien')").await.status, 404);
}

/// A batch of creates by name; the empty text marks the end of a change set's members.
fn batch(operations: &[(&str, &str)]) -> String {
    let one = |(method, target): &(&str, &str)| {
        let (target, body) = target.split_once(' ').unwrap_or((target, ""));
        let root = if target.starts_with("$9") { "" } else { "/api/data/v9.2/" };
        let head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        format!("--b\r\n{head}{method} {root}{target} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n")
    };
    operations.iter().map(one).collect::<String>() + "--b--\r\n"
}

impl Caller {
    async fn batch(&self, headers: &[(&str, &str)], body: String) -> (u16, String) {
        let url = format!("{}/api/data/v9.2/$batch", self.sandbox.url());
        let mut request = reqwest::Client::new().post(url).bearer_auth(&self.token).body(body);
        request = request.header("content-type", "multipart/mixed; boundary=\"b\"");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn a_batch_stops_at_the_first_failure_unless_told_to_go_on() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let operations =
        [("POST", r#"accounts {"name":"A"}"#), ("POST", r#"accounts {"nme":"B"}"#), ("POST", r#"accounts {"name":"C"}"#)];
    let (status, text) = caller.batch(&[], batch(&operations)).await;
    assert_eq!((status, text.matches("HTTP/1.1 ").count(), caller.sandbox.len("account")), (400, 2, 1), "{text}");
    let (status, text) = caller.batch(&[("prefer", "odata.continue-on-error")], batch(&operations)).await;
    assert_eq!((status, text.matches("HTTP/1.1 ").count(), caller.sandbox.len("account")), (200, 3, 3), "{text}");
    let (status, _) = caller.batch(&[], batch(&[operations[0]]).replace("--b--", "")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn line_13_a_batch_holds_a_thousand_operations_and_no_batch() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    for (count, expected) in [(1000, 200), (1001, 400)] {
        let operations = vec![("GET", "accounts?$top=1"); count];
        assert_eq!(caller.batch(&[], batch(&operations)).await.0, expected, "{count}");
    }
    assert_eq!(caller.batch(&[], batch(&[("POST", "$batch {}")])).await.0, 400);
}

#[tokio::test]
async fn line_13_a_failing_change_set_takes_everything_back() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let kept = caller.sandbox.insert("account", json!({"number": "K", "name": "K"}).as_object().unwrap().clone()).unwrap();
    let before = caller.sandbox.rows("account");
    let set = |operations: &[(&str, &str)]| {
        let inner = batch(operations).replace("--b", "--s");
        format!("--b\r\nContent-Type: multipart/mixed; boundary=s\r\n\r\n{inner}\r\n--b--\r\n")
    };
    let (update, delete) = (format!(r#"accounts({kept}) {{"name":"L"}}"#), format!("accounts({kept})"));
    let operations =
        [("POST", r#"accounts {"name":"A"}"#), ("PATCH", &update), ("DELETE", &delete), ("POST", r#"accounts {"nme":"B"}"#)];
    let (status, text) = caller.batch(&[], set(&operations)).await;
    assert_eq!((status, text.matches("HTTP/1.1 ").count()), (400, 1), "{text}");
    assert_eq!(caller.sandbox.rows("account"), before);
    let (status, text) = caller.batch(&[], set(&operations[..3])).await;
    assert_eq!((status, text.matches("HTTP/1.1 204").count(), caller.sandbox.len("account")), (200, 3, 1), "{text}");
    let (status, text) = caller.batch(&[], set(&[("GET", "accounts")])).await;
    assert_eq!(status, 400, "{text}");
    let (status, text) = caller.batch(&[], set(&[("PATCH", r#"$9 {"name":"L"}"#)])).await;
    assert!(status == 400 && text.contains("Content-ID Reference: '$9'"), "{text}");
}

#[tokio::test]
async fn line_14_many_rows_in_one_action_are_all_written_or_none() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let call = async |action: &str, rows: &[Json]| {
        let typed = |row: &Json| {
            let mut row = row.clone();
            row["@odata.type"] = json!("Microsoft.Dynamics.CRM.account");
            row
        };
        let targets: Vec<Json> = rows.iter().map(typed).collect();
        let path = format!("/api/data/v9.2/accounts/Microsoft.Dynamics.CRM.{action}");
        caller.ask(Method::POST, &path, &[], json!({"Targets": targets})).await
    };
    let made = call("CreateMultiple", &[json!({"number": "1"}), json!({"number": "2"})]).await;
    assert_eq!((made.status, made.body["Ids"].as_array().unwrap().len()), (200, 2), "{}", made.body);
    assert_eq!(call("CreateMultiple", &[json!({"number": "3"}), json!({"number": "1"})]).await.status, 412);
    assert_eq!(caller.sandbox.len("account"), 2);
    let update = |id: &Json, name: &str| json!({"id": id, "name": name});
    let unknown = json!("00000000-0000-0000-0000-000000000009");
    assert_eq!(call("UpdateMultiple", &[update(&made.body["Ids"][0], "A"), update(&unknown, "B")]).await.status, 404);
    assert_eq!(caller.found("/api/data/v9.2/accounts?$filter=name%20ne%20null", "name").await, Vec::<Json>::new());
    assert_eq!(call("UpdateMultiple", &[update(&made.body["Ids"][0], "A")]).await.status, 204);
    let upsert =
        [json!({"@odata.id": "accounts(number='1')", "name": "U"}), json!({"@odata.id": "accounts(number='4')", "name": "U"})];
    assert_eq!(call("UpsertMultiple", &upsert).await.status, 204);
    assert_eq!(caller.found("/api/data/v9.2/accounts?$filter=name%20eq%20'u'&$orderby=number", "number").await, ["1", "4"]);
    let path = "/api/data/v9.2/accounts/Microsoft.Dynamics.CRM.CreateMultiple";
    assert_eq!(caller.ask(Method::POST, path, &[], json!({"Targets": [{"number": "9"}]})).await.status, 400);
}

#[tokio::test]
async fn faults_and_the_clock_are_set_over_http_without_a_token() {
    let caller = Caller::start(Dialect::Dataverse, SCHEMA).await;
    let stranger = Caller { token: "none".to_owned(), ..Caller::start(Dialect::Dataverse, SCHEMA).await };
    let stranger = Caller { sandbox: caller.sandbox, ..stranger };
    let fault = json!({"count": 2, "target": "reads", "fault": {"throttle": {"retry_after": "7"}}});
    assert_eq!(stranger.ask(Method::POST, "/sandbox/faults", &[], fault).await.status, 204);
    let wrong = stranger.ask(Method::POST, "/sandbox/faults", &[], json!({"fault": "no-such-fault"})).await;
    assert!(wrong.status == 400 && wrong.body["error"].as_str().unwrap().contains("no-such-fault"), "{}", wrong.body);
    let caller = Caller { token: caller.token, sandbox: stranger.sandbox };
    for expected in [429, 429, 200] {
        assert_eq!(caller.get("/api/data/v9.2/accounts").await.status, expected);
    }
    assert_eq!(caller.ask(Method::POST, "/sandbox/clock", &[], json!({"seconds": 7200})).await.status, 204);
    assert_eq!(caller.get("/api/data/v9.2/accounts").await.status, 401);
    assert_eq!(caller.get("/sandbox/counters").await.body["dwmap"]["throttled"], 2);
}

#[tokio::test]
async fn over_https_only_who_trusts_the_authority_comes_in() {
    let config = Config { is_encrypted: true, ..Config::new(Dialect::Dataverse, snapshot::parse(SCHEMA).unwrap()) };
    let sandbox = Sandbox::start(config).await.unwrap();
    assert!(sandbox.url().starts_with("https://127.0.0.1:"));
    let form = [("grant_type", "client_credentials"), ("client_id", "dwmap"), ("client_secret", "sandbox-secret")];
    assert!(reqwest::Client::new().post(sandbox.token_url()).form(&form).send().await.is_err());
    let authority = reqwest::Certificate::from_pem(sandbox.authority().unwrap().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().add_root_certificate(authority).build().unwrap();
    assert_eq!(trusting.post(sandbox.token_url()).form(&form).send().await.unwrap().status(), 200);
    // A connection that says nothing does not hold up the others, nor the end.
    let address = sandbox.url().trim_start_matches("https://").to_owned();
    let silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    assert_eq!(trusting.post(sandbox.token_url()).form(&form).send().await.unwrap().status(), 200);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(5), sandbox.stop()).await.is_ok());
    drop(silent);
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

#[tokio::test]
async fn a_schema_of_the_other_system_is_refused_with_the_place() {
    let start = async |dialect, schema: &str| {
        let config = Config::new(dialect, snapshot::parse(schema).unwrap());
        Sandbox::start(config).await.err().map(|it| it.to_string())
    };
    let refused = start(Dialect::Dataverse, FINOPS).await.unwrap();
    assert!(refused.starts_with("Items.Stopped: Dataverse has no fields of the type `enum NoYes`"), "{refused}");
    assert!(refused.ends_with("Finance & Operations (`dwmap sandbox finops`)"), "{refused}");
    let refused = start(Dialect::Finops, SCHEMA).await.unwrap();
    assert!(refused.starts_with("account.parent: Finance & Operations has no fields of the type `lookup account`"), "{refused}");
    let choice = r#"{"format_version": 1, "enums": {"state": {"members": {"Active": 0}}},
        "entities": {"account": {"key": ["id"], "fields": {"id": "guid", "state": "state"}}}}"#;
    assert!(start(Dialect::Finops, choice).await.is_some());
    assert_eq!(start(Dialect::Dataverse, choice).await, None);
}
