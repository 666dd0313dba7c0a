//! `dwmap schema diff`: what has changed in a live system, and which rules that touches.

use super::folder::Folder;

const MAP: &str = r#"system erp profile exact
system shop from "shop.json" profile sqlite

entity erp.Item {
  key Number: text<20>
  Name:       text<100> required
  Note:       text<50>?
}

map Items: erp.Item -> product {
  key Number <-> sku
  Name -> title
  Note -> note
  on delete -> refuse
}
"#;

#[test]
fn a_drift_points_at_the_rules_that_it_touches() {
    let folder = Folder::new("drift");
    folder.sql(
        "shop.db",
        "CREATE TABLE product (sku varchar(20) PRIMARY KEY NOT NULL, title varchar(100) NOT NULL, note varchar(50))",
    );
    folder.write("dwmap.toml", "[systems.shop]\nconnector = \"sqlite\"\npath = \"shop.db\"\n");
    folder.write("items.dwmap", &MAP.replace("-> product", "-> shop.product"));
    let pulled = folder.dwmap(&["schema", "pull", "shop", "-o", "shop.json"]);
    assert_eq!(pulled.exit, Some(0), "{pulled:?}");
    let same = folder.dwmap(&["schema", "diff", "shop", "shop.json"]);
    assert_eq!((same.exit, same.out.as_str(), same.messages.as_str()), (Some(0), "", ""));

    folder.sql("shop.db", "DROP TABLE product; CREATE TABLE product (sku varchar(20) PRIMARY KEY NOT NULL, title varchar(60) NOT NULL, note varchar(50))");
    let said = folder.dwmap(&["schema", "diff", "shop", "shop.json"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert_eq!(said.out.trim(), "product.title was text<100> and is text<60>   (touches Items.title)");
    assert!(said.messages.contains("warning[DW0105]: `Items.title` uses what has changed in the live system"), "{said:?}");
    assert!(said.messages.contains("items.dwmap:12:3"), "{said:?}");
    assert!(!said.messages.contains("Items.note"), "{said:?}");
}
