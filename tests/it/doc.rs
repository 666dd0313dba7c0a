//! `dwmap doc`: the pages, their links, and that nothing an author wrote becomes markup.

use insta::assert_snapshot;

use super::folder::Folder;

/// Every kind of text that a page shows holds letters that HTML or Markdown take for their own.
const HOSTILE: &str = r#"system a profile exact
system b profile exact

entity a.Item {
  key Number: text<20>
  Name:       text<60>
  Kind:       enum { Small, Large }
}

entity b.item {
  key number: text<20>
  name:       text<60>
  kind:       text<60>
}

/// <script>alert("docs")</script> and `<b>code</b>` | a bar, *stars*
/// in a second line.
///
/// [a link](javascript:alert(1))
map Items: a.Item <-> b.item {
  version 1.0.0
  key Number <-> number

  // <img src=x onerror=alert("note")>
  /// <i>line</i>
  Name <~> name   modulo trim   loses "<u>blanks</u> | all"   // <s>remark</s>
  Kind <~> kind   via { Small <-> "<b>|`s`", Large <-> "l" }   else reject   loses "<em>"

  on conflict prefer a   // <q>policy</q>
  on delete <-> refuse
}

test "a </title><script>alert(1)</script>" in Items {
  given  a { Number: "<b>", Name: "x", Kind: Small }
  expect b { name: "x" }
}
"#;

fn pages(text: &str, format: &str) -> Folder {
    let folder = Folder::new("doc");
    folder.write("items.dwmap", text);
    let said = folder.dwmap(&["doc", "--out", "out", "--format", format]);
    assert_eq!((said.exit, said.out.as_str()), (Some(0), ""), "{}", said.messages);
    folder
}

fn standard() -> Folder {
    shipped("maps")
}

/// The pages of maps that come with the program.
fn shipped(maps: &str) -> Folder {
    let folder = Folder::new("doc");
    let maps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(maps);
    let said = folder.dwmap(&["doc", maps.to_str().expect("the path is text"), "--out", "out"]);
    assert_eq!(said.exit, Some(0), "{}", said.messages);
    folder
}

fn names(folder: &Folder) -> Vec<String> {
    let list = std::fs::read_dir(folder.path.join("out")).expect("the pages are there");
    let mut names: Vec<String> =
        list.map(|it| it.expect("they can be listed").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The tags of a page, without what stands in them.
fn tags(page: &str) -> Vec<String> {
    let name = |it: &str| it.chars().take_while(|it| it.is_alphanumeric() || matches!(it, '/' | '!')).collect::<String>();
    page.match_indices('<').map(|(at, _)| name(&page[at + 1..])).collect()
}

#[test]
fn a_page_shows_everything_about_a_map() {
    let text = pages(HOSTILE, "html").read("out/Items.html");
    let main = text.split_once("<main id=\"main\">").expect("a page has a main part").1;
    assert_snapshot!(main);
}

#[test]
fn markdown_shows_everything_about_a_map() {
    assert_snapshot!(pages(HOSTILE, "markdown").read("out/Items.md"));
}

#[test]
fn nothing_that_an_author_wrote_becomes_a_tag() {
    let folder = pages(HOSTILE, "html");
    for name in names(&folder) {
        let page = folder.read(&format!("out/{name}"));
        for foreign in ["script", "img", "i", "u", "s", "b", "em", "q"] {
            let found = tags(&page).iter().any(|it| it == foreign || *it == format!("/{foreign}"));
            assert!(!found, "{name} has <{foreign}>");
        }
        assert!(page.contains("&lt;script&gt;alert(&quot;docs&quot;)&lt;/script&gt;"), "{name} shows the text");
    }
}

#[test]
fn every_tag_is_closed_in_order() {
    let folder = shipped("maps/dual-write");
    let empty = ["!doctype", "!", "meta", "wbr"];
    for name in names(&folder) {
        let page = folder.read(&format!("out/{name}"));
        let mut open: Vec<String> = Vec::new();
        for (at, _) in page.match_indices('<') {
            let tag = page[at + 1..].split_once('>').expect("a tag ends").0;
            let word: String = tag.chars().take_while(|it| it.is_alphanumeric() || matches!(it, '/' | '!')).collect();
            match word.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "{name} at {at}"),
                None if tag.ends_with('/') || empty.contains(&word.as_str()) => {}
                None => open.push(word),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn every_link_leads_somewhere_and_nothing_comes_from_elsewhere() {
    let folder = shipped("maps/dual-write");
    let names = names(&folder);
    assert_eq!(names.len(), 105, "a page for each map, and one that leads to them");
    let mut links = 0;
    for name in &names {
        let page = folder.read(&format!("out/{name}"));
        for (at, _) in page.match_indices("href=\"") {
            let target = page[at + 6..].split_once('"').expect("an attribute ends").0;
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let file = if file.is_empty() { name } else { file };
            assert!(names.iter().any(|it| it == file), "{name}: {target}");
            if let Some(anchor) = anchor {
                assert!(folder.read(&format!("out/{file}")).contains(&format!("id=\"{anchor}\"")), "{name}: {target}");
            }
            links += 1;
        }
        for foreign in ["src=", "@import", "url(http", "<script", "<link"] {
            assert!(!page.contains(foreign), "{name} has {foreign}");
        }
    }
    assert!(links > 1000, "{links} links");
}

#[test]
fn the_index_leads_to_every_map_and_shows_all_of_them_in_one_picture() {
    let folder = shipped("maps/dual-write");
    let index = folder.read("out/index.html");
    let picture = index.split_once("<svg").and_then(|(_, rest)| rest.split_once("</svg>")).expect("there is a picture").0;
    let cards = &index[..index.find("<svg").expect("there is a picture")];
    for page in names(&folder).iter().filter(|it| *it != "index.html") {
        let link = format!("href=\"{page}\"");
        assert!(cards.contains(&link), "no card for {page}");
        assert!(picture.contains(&link), "{page} is not in the picture");
    }
    assert!(picture.matches("<path class=\"edge").count() > 200, "arrows for the references");
    assert!(index.contains("<a href=\"#picture\">"), "the picture is reached from the top");
}

#[test]
fn a_layer_says_what_it_leaves_out_and_why() {
    for (format, page) in [("html", "Customers.html"), ("markdown", "Customers.md")] {
        let folder = Folder::new("doc");
        let maps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("maps/examples/contoso");
        let said = folder.dwmap(&["doc", maps.to_str().expect("the path is text"), "--out", "out", "--format", format]);
        assert_eq!(said.exit, Some(0), "{}", said.messages);
        let page = folder.read(&format!("out/{page}"));
        let part = page.split_once("Left out of the base").expect("the part is there").1;
        let (label, why) = ("msdyn_creditrating", "the rating bureau writes it in Dataverse");
        assert!(part.find(label).zip(part.find(why)).is_some_and(|(label, why)| label < why), "{part}");
    }
}

#[test]
fn the_name_in_dual_write_is_a_fact_and_no_prose() {
    let page = shipped("maps/dual-write").read("out/CustomersV3Accounts.html");
    assert!(page.contains("<dt>In dual-write</dt><dd><code>msdyn_[accounts - Customers V3]</code></dd>"), "{page}");
    assert_eq!(page.matches("dual-write:").count(), 0);
}

#[test]
fn pages_are_the_same_each_time() {
    let (one, two) = (standard(), standard());
    for name in names(&one) {
        assert_eq!(one.read(&format!("out/{name}")), two.read(&format!("out/{name}")), "{name}");
    }
}

#[test]
fn maps_whose_names_differ_in_case_have_pages_of_their_own() {
    let map = |name: &str, side: &str| {
        format!("map {name}: a.{side} <-> b.{side} {{\n  key Id <-> Id\n  on conflict prefer a\n  on delete <-> refuse\n}}\n")
    };
    let entity = |name: &str| format!("entity {name} {{ key Id: text<5> }}\n");
    let entities: String = ["a.A", "a.B", "a.C", "b.A", "b.B", "b.C"].iter().map(|it| entity(it)).collect();
    let text = format!(
        "system a profile exact\nsystem b profile exact\n\n{entities}\n{}\n{}\n{}",
        map("Items", "A"),
        map("ITEMS", "B"),
        map("index", "C")
    );
    assert_eq!(names(&pages(&text, "html")), ["ITEMS-2.html", "Items.html", "index-2.html", "index.html"]);
}
