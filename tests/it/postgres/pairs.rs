//! Pairs of systems under the real program, which is killed again and again while people edit both sides.

use std::collections::BTreeMap;
use std::time::Duration;

use dwmap::sandbox::{Config, Dialect, Fault, Running, Sandbox, Target};
use dwmap::schema::snapshot;
use serde_json::{Map, Value as Json, json};

use super::folder::Folder;
use super::{Database, url};

/// Lives of the program before it may end by itself.
const LIVES: u64 = 8;
/// Longest life.
const LIFE_MS_MAX: u64 = 1500;

const ITEM: &str =
    "CREATE TABLE item(number text PRIMARY KEY, name text NOT NULL, price numeric(18,2) NOT NULL, stock bigint NOT NULL);
    CREATE TABLE audit(number text NOT NULL);
    CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (NEW.number); RETURN NULL; END';
    CREATE TRIGGER seen AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION seen();
    INSERT INTO item VALUES ('A-1', 'Chair', 49.90, 12), ('A-2', 'Table', 199, 3)";

const PRODUCT: &str =
    "CREATE TABLE product(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text NOT NULL, title text NOT NULL,
        price numeric(18,2) NOT NULL, quantity bigint NOT NULL);
    INSERT INTO product(sku, title, price, quantity) VALUES ('A-1', 'Chair', 49.90, 12), ('S-9', 'Voucher', 25, 100)";

const ERP: &str = "system erp profile postgres
entity erp.item {
  key number: text<20>
  name:       text<100> required
  price:      decimal<18,2> required
  stock:      int64 required
}
";

const TO_SHOP: &str = "system shop profile postgres
entity shop.product {
  key sku:  text<20>
  title:    text<100> required
  price:    decimal<18,2> required
  quantity: int64 required
}
map Items: erp.item <-> shop.product {
  version 1.0.0
  key number <-> sku
  name  <-> title
  price <-> price
  stock <-> quantity
  on conflict prefer erp
  on delete -> delete
  on delete <- delete
}
";

const TO_DATAVERSE: &str = r#"system dv from "dv.json" profile dataverse
map Items: erp.item <-> dv.product {
  version 1.0.0
  key number <-> productnumber
  name  <-> name
  price <-> price
  stock <-> quantity
  on conflict prefer erp
  on delete -> delete
  on delete <- delete
}
"#;

const DATAVERSE: &str = r#"{
  "format_version": 1,
  "entities": {"product": {"set": "products", "key": ["productid"], "unique": [["productnumber"]], "fields": {
    "productid": "guid", "productnumber": {"type": "text<20>", "required": true}, "name": {"type": "text<100>", "required": true},
    "price": {"type": "decimal<18,2>", "required": true}, "quantity": {"type": "int64", "required": true},
    "modifiedon": {"type": "datetime?", "modified": true, "readonly": true}}}}
}"#;

/// What a row shows: name, price, stock.
type Rows = BTreeMap<String, (String, String, String)>;

fn rows_of(text: &str) -> Rows {
    let row = |line: &str| {
        let cells: Vec<String> = line.split('|').map(str::to_owned).collect();
        (cells[0].clone(), (cells[1].clone(), cells[2].clone(), cells[3].clone()))
    };
    text.lines().map(row).collect()
}

fn items(erp: &Database) -> Rows {
    rows_of(&erp.user("SELECT number, name, trim_scale(price), stock FROM item ORDER BY number"))
}

/// Runs the program until it is killed, again and again, with an edit of each side before and during every life.
fn live_and_die(folder: &Folder, mut edit: impl FnMut(u64)) {
    for life in 0..LIVES {
        edit(2 * life);
        let mut process = folder.start(&["run", "--initial"]);
        std::thread::sleep(Duration::from_millis(life * 797 % LIFE_MS_MAX));
        edit(2 * life + 1);
        std::thread::sleep(Duration::from_millis(life * 331 % LIFE_MS_MAX));
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", folder.read("log"));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    settle(folder);
}

fn settle(folder: &Folder) {
    let done = folder.dwmap(&["run", "--initial", "--once"]);
    assert!(done.exit == Some(0), "{done:?}\n{}", folder.read("log"));
}

/// An edit of the ERP: a new row, another price, or a row that goes.
fn edit_erp(erp: &Database, count: u64, expected: &mut Rows) {
    let number = format!("E-{count}");
    erp.user(&format!(
        "INSERT INTO item VALUES ('{number}', 'Thing', 1.5, 1); UPDATE item SET price = {count}.25 WHERE number = 'A-2'"
    ));
    expected.insert(number, ("Thing".to_owned(), "1.5".to_owned(), "1".to_owned()));
    expected.get_mut("A-2").unwrap().1 = format!("{count}.25");
}

#[test]
fn two_postgres_databases_stay_in_step_through_kills() {
    let (erp, shop) = (Database::new(ITEM), Database::new(PRODUCT));
    let folder = Folder::new("postgres-pair");
    folder.write("items.dwmap", &format!("{ERP}{TO_SHOP}"));
    let system = |name: &str, database: &Database| {
        format!("[systems.{name}]\nconnector = \"postgres\"\nurl = \"{}\"\n", url(&database.name))
    };
    folder.write("dwmap.toml", &format!("{}{}[sync]\npoll_ms = 20\n", system("erp", &erp), system("shop", &shop)));
    let mut expected = items(&erp);
    expected.insert("S-9".to_owned(), ("Voucher".to_owned(), "25".to_owned(), "100".to_owned()));
    live_and_die(&folder, |count| {
        edit_erp(&erp, count, &mut expected);
        let sku = format!("S-{}", 100 + count);
        shop.user(&format!(
            "INSERT INTO product(sku, title, price, quantity) VALUES ('{sku}', 'Sold', 2, 2); UPDATE product SET quantity = {count} WHERE sku = 'S-9'"
        ));
        expected.insert(sku, ("Sold".to_owned(), "2".to_owned(), "2".to_owned()));
        expected.get_mut("S-9").unwrap().2 = count.to_string();
    });
    let products = || rows_of(&shop.user("SELECT sku, title, trim_scale(price), quantity FROM product ORDER BY sku, id"));
    assert_eq!(items(&erp), expected);
    assert_eq!(products(), expected);
    // The shop has no unique key, so a row that was made twice would show.
    assert_eq!(shop.user("SELECT count(*) FROM product"), expected.len().to_string());
    assert_eq!(erp.user("SELECT number FROM audit GROUP BY number HAVING count(*) > 1"), "");
    shop.user("DELETE FROM product WHERE sku = 'A-1'");
    erp.user("DELETE FROM item WHERE number = 'A-2'");
    settle(&folder);
    expected.remove("A-1");
    expected.remove("A-2");
    assert_eq!((items(&erp), products()), (expected.clone(), expected));
    // A second look writes nothing.
    let versions =
        || (erp.user("SELECT max(xmin::text::bigint) FROM item"), shop.user("SELECT max(xmin::text::bigint) FROM product"));
    let before = versions();
    settle(&folder);
    assert_eq!(versions(), before);
}

fn object(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

fn products(dataverse: &Running) -> Rows {
    let text = |row: &Map<String, Json>, name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    let row = |row: &Map<String, Json>| {
        let price = text(row, "price");
        let price = if price.contains('.') { price.trim_end_matches('0').trim_end_matches('.').to_owned() } else { price };
        (text(row, "productnumber"), (text(row, "name"), price, text(row, "quantity")))
    };
    dataverse.rows("product").iter().map(row).collect()
}

#[test]
fn postgres_and_dataverse_stay_in_step_through_kills_and_faults() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config { is_encrypted: true, ..Config::new(Dialect::Dataverse, snapshot::parse(DATAVERSE).unwrap()) };
    let dataverse = runtime.block_on(Sandbox::start(config)).unwrap();
    let erp = Database::new(ITEM);
    let folder = Folder::new("postgres-dataverse");
    folder.write("dv.json", DATAVERSE);
    // A key that Dataverse holds for one must be one in the ERP, too.
    let erp_like_dataverse = ERP.replace("profile postgres", "profile dataverse");
    folder.write("items.dwmap", &format!("{erp_like_dataverse}{TO_DATAVERSE}"));
    folder.write("authority.pem", dataverse.authority().unwrap());
    folder.write("secret", "sandbox-secret\n");
    let settings = format!(
        "[systems.erp]\nconnector = \"postgres\"\nurl = \"{}\"\n[systems.dv]\nconnector = \"dataverse\"\nurl = \"{}\"\nauthority = \"authority.pem\"\n\
         auth = {{ token_url = \"{}\", client_id = \"dwmap\", client_secret = {{ file = \"secret\" }} }}\n[sync]\npoll_ms = 20\n",
        url(&erp.name),
        dataverse.url(),
        dataverse.token_url()
    );
    folder.write("dwmap.toml", &settings);
    let row = |number: &str, name: &str, price: i64, quantity: i64| {
        object(json!({"productnumber": number, "name": name, "price": price, "quantity": quantity}))
    };
    let voucher = dataverse.insert("product", row("S-9", "Voucher", 25, 100)).unwrap();
    let mut expected = items(&erp);
    expected.insert("S-9".to_owned(), ("Voucher".to_owned(), "25".to_owned(), "100".to_owned()));
    live_and_die(&folder, |count| {
        edit_erp(&erp, count, &mut expected);
        let number = format!("S-{}", 100 + count);
        dataverse.insert("product", row(&number, "Sold", 2, 2)).unwrap();
        dataverse.update("product", &voucher, object(json!({"quantity": count}))).unwrap();
        expected.insert(number, ("Sold".to_owned(), "2".to_owned(), "2".to_owned()));
        expected.get_mut("S-9").unwrap().2 = count.to_string();
        let faults = [Fault::ResetAfterCommit, Fault::Truncated, Fault::Html(502), Fault::Unauthorized];
        dataverse.next_n(1, Target::Writes, faults[(count % 4) as usize].clone());
        if count % 4 == 0 {
            dataverse.next_n(1, Target::Reads, Fault::Truncated);
        }
    });
    for _ in 0..5 {
        settle(&folder);
    }
    assert_eq!(items(&erp), expected);
    assert_eq!(products(&dataverse), expected);
    assert_eq!(dataverse.len("product"), expected.len());
    assert_eq!(erp.user("SELECT number FROM audit GROUP BY number HAVING count(*) > 1"), "");
    let writes = dataverse.counters("dwmap").writes;
    settle(&folder);
    assert_eq!(dataverse.counters("dwmap").writes, writes, "sides that agree are not written");
    // Neither the secret nor an access token is in the most talkative log, in a message, or in the state.
    let traced = folder.shell("DWMAP_LOG=trace dwmap run --initial --once");
    assert!(traced.exit == Some(0) && traced.messages.contains("request"), "{traced:?}");
    for hidden in ["sandbox-secret", "Bearer sandbox-", "\"sandbox-"] {
        assert!(!traced.messages.contains(hidden) && !traced.out.contains(hidden), "{hidden}");
    }
    let kept = std::fs::read_dir(&folder.path).unwrap().flatten().filter(|it| it.file_name() != "secret");
    for file in kept {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(14).any(|it| it == b"sandbox-secret"), "{:?}", file.path());
    }
    runtime.block_on(dataverse.stop());
}
