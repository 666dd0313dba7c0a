//! Writes that share a request.

use dwmap::change::{Answer, Class, Seen, Write};
use dwmap::connect::Connector;
use dwmap::connect::odata::Dataverse;
use dwmap::sandbox::{Dialect, Fault, Running, Target};
use dwmap::schema::Shape;
use dwmap::value::Value;

use super::{create, failure, link, record, settings};

const SCHEMA: &str = r#"{
  "format_version": 1,
  "entities": {
    "account": {
      "set": "accounts", "key": ["accountid"], "unique": [["accountnumber"]],
      "fields": {"accountid": "guid", "accountnumber": "text<40>?", "name": {"type": "text<10>", "required": true},
        "parentid": "lookup account?"}
    }
  }
}"#;

/// Writes that the engine hands over at once, at most (`runtime::round`).
const AT_ONCE: u128 = 100;

async fn start() -> (Running, Dataverse, Shape) {
    let sandbox = super::start(Dialect::Dataverse, SCHEMA, |_| {}).await;
    let connector = Dataverse::new(settings(&sandbox, "sandbox-secret"), 5000).unwrap();
    (sandbox, connector, super::shape(SCHEMA, "account"))
}

fn named(shape: &Shape, number: u128, name: &str) -> Write {
    Write::Create { link: link(number), record: record(shape, &[("name", Value::text(name))]) }
}

fn renamed(shape: &Shape, seen: &Seen, name: &str) -> Write {
    Write::Update { id: seen.id.clone(), expected: seen.version.clone(), record: record(shape, &[("name", Value::text(name))]) }
}

/// What became of each write, in a word.
fn words(answers: &[Answer]) -> Vec<&'static str> {
    let word = |it: &Answer| match it {
        Answer::Written(_) => "written",
        Answer::Deleted => "deleted",
        Answer::Exists => "exists",
        Answer::Moved => "moved",
        Answer::Gone => "gone",
        Answer::Failed(it) if it.is_ambiguous => "unclear",
        Answer::Failed(_) => "refused",
    };
    answers.iter().map(word).collect()
}

#[tokio::test]
async fn a_hundred_writes_take_ten_requests_and_each_has_its_own_answer() {
    let (sandbox, connector, shape) = start().await;
    let creates: Vec<Write> = (0..AT_ONCE).map(|it| named(&shape, it, &format!("N{it}"))).collect();
    let before = sandbox.counters("dwmap");
    let answers = connector.write(&shape, &creates).await;
    let after = sandbox.counters("dwmap");
    assert_eq!((after.requests - before.requests, after.writes - before.writes), (10, 100));
    assert_eq!(sandbox.len("account"), 100);
    let rows: Vec<Seen> =
        answers.into_iter().map(|it| if let Answer::Written(seen) = it { seen } else { panic!("{it:?}") }).collect();
    for (number, seen) in rows.iter().enumerate() {
        assert_eq!(seen.correlation, Some(link(number as u128)));
        assert_eq!(super::value(&shape, seen, "name"), &Value::text(format!("N{number}")));
        let row = sandbox.row("account", &seen.id.0).unwrap();
        assert_eq!(row["@odata.etag"], seen.version.0, "the version is that of the row");
    }
    let deletes: Vec<Write> = rows.iter().map(|it| Write::Delete { id: it.id.clone(), expected: it.version.clone() }).collect();
    assert_eq!(words(&connector.write(&shape, &deletes).await), ["deleted"; 100]);
    assert_eq!(sandbox.counters("dwmap").requests - after.requests, 10);
}

#[tokio::test]
async fn conditions_hold_row_by_row_and_one_bad_row_harms_no_other() {
    let (sandbox, connector, shape) = start().await;
    let [kept, edited, gone, removed] = [
        create(&connector, &shape, 1, &[("name", Value::text("a"))]).await,
        create(&connector, &shape, 2, &[("name", Value::text("b"))]).await,
        create(&connector, &shape, 3, &[("name", Value::text("c"))]).await,
        create(&connector, &shape, 4, &[("name", Value::text("d"))]).await,
    ];
    sandbox.update("account", &edited.id.0, super::json(r#"{"name": "user's"}"#)).unwrap();
    sandbox.delete("account", &gone.id.0).unwrap();
    let lost = record(&shape, &[("name", Value::text("x")), ("parentid", Value::Guid(link(99).0))]);
    let writes = [
        renamed(&shape, &kept, "A"),
        renamed(&shape, &edited, "B"),
        renamed(&shape, &gone, "C"),
        Write::Delete { id: removed.id.clone(), expected: removed.version.clone() },
        Write::Delete { id: edited.id.clone(), expected: edited.version.clone() },
        named(&shape, 1, "twice"),
        named(&shape, 5, "far too long a name"),
        Write::Create { link: link(6), record: lost },
        named(&shape, 7, "new"),
    ];
    let before = sandbox.counters("dwmap").requests;
    let answers = connector.write(&shape, &writes).await;
    let expected = ["written", "moved", "gone", "deleted", "moved", "exists", "refused", "refused", "written"];
    assert_eq!(words(&answers), expected);
    // One for the writes, and one for the names under which references are written, which is asked for once.
    assert_eq!(sandbox.counters("dwmap").requests - before, 2);
    assert_eq!(failure(answers[6].clone()).class, Class::Validation);
    assert_eq!(failure(answers[7].clone()).class, Class::Reference);
    let mut names: Vec<String> = sandbox.rows("account").iter().map(|it| it["name"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"A\"", "\"new\"", "\"user's\""]);
}

#[tokio::test]
async fn line_14_a_batch_that_is_refused_as_a_whole_is_halved_until_its_rows_stand_alone() {
    let too_much = || Fault::Refuse { status: 413, code: String::new(), message: "The request is too large.".to_owned() };
    // How many batches are refused, and the requests that eight rows take then: a half is sent when its whole was refused.
    for (refused, requests) in [(0, 1), (1, 3), (2, 5), (3, 7)] {
        let (sandbox, connector, shape) = start().await;
        sandbox.next_n(refused, Target::Writes, too_much());
        let before = sandbox.counters("dwmap").requests;
        let writes: Vec<Write> = (0..8).map(|it| named(&shape, it, "n")).collect();
        // The halves follow each other, so the refusals meet the first ones of them.
        assert_eq!(words(&connector.write(&shape, &writes).await), ["written"; 8], "{refused}");
        assert_eq!((sandbox.counters("dwmap").requests - before, sandbox.len("account")), (requests, 8), "{refused}");
    }
    // A row that is too large even alone is refused, and the others are not.
    let (sandbox, connector, shape) = start().await;
    sandbox.next_n(3, Target::Writes, too_much());
    let writes: Vec<Write> = (0..4).map(|it| named(&shape, it, "n")).collect();
    let answers = connector.write(&shape, &writes).await;
    assert_eq!(words(&answers), ["refused", "written", "written", "written"]);
    assert_eq!((failure(answers[0].clone()).class, sandbox.len("account")), (Class::TooLarge, 3));
}

#[tokio::test]
async fn a_system_that_stops_at_the_first_failure_is_asked_for_the_rest() {
    let (sandbox, connector, shape) = start().await;
    sandbox.next_n(2, Target::Writes, Fault::IgnoresPreferences);
    let name = |it: u128| if it.is_multiple_of(3) { "far too long a name" } else { "n" };
    let writes: Vec<Write> = (1..=9).map(|it| named(&shape, it, name(it))).collect();
    let before = sandbox.counters("dwmap").requests;
    let answers = connector.write(&shape, &writes).await;
    let expected = ["written", "written", "refused"].repeat(3);
    assert_eq!((words(&answers), sandbox.len("account")), (expected, 6));
    assert_eq!(sandbox.counters("dwmap").requests - before, 3);
}

#[tokio::test]
async fn line_25_an_answer_that_is_cut_leaves_only_unread_writes_unclear_and_repeats_none() {
    let (sandbox, connector, shape) = start().await;
    let writes: Vec<Write> = (0..8).map(|it| named(&shape, it, "n")).collect();
    sandbox.next_n(1, Target::Writes, Fault::Truncated);
    let before = sandbox.counters("dwmap").requests;
    let told = words(&connector.write(&shape, &writes).await);
    let known = told.iter().take_while(|it| **it == "written").count();
    assert!((1..8).contains(&known) && told[known..].iter().all(|it| *it == "unclear"), "{told:?}");
    assert_eq!((sandbox.counters("dwmap").requests - before, sandbox.len("account")), (1, 8));
    for write in &writes {
        assert!(connector.find_created(&shape, write).await.unwrap().is_some(), "each is found by its link");
    }
    let more: Vec<Write> = (10..18).map(|it| named(&shape, it, "n")).collect();
    sandbox.next_n(1, Target::Writes, Fault::ResetAfterCommit);
    assert_eq!(words(&connector.write(&shape, &more).await), ["unclear"; 8]);
    assert_eq!(sandbox.len("account"), 16);
}

#[tokio::test]
async fn a_throttled_batch_is_sent_by_nobody_until_the_system_says_so() {
    let (sandbox, connector, shape) = start().await;
    sandbox.next_n(1, Target::Writes, Fault::Throttle { retry_after: Some("17".to_owned()) });
    let writes: Vec<Write> = (0..4).map(|it| named(&shape, it, "n")).collect();
    let answers = connector.write(&shape, &writes).await;
    assert!(answers.iter().all(|it| failure(it.clone()).class == Class::Throttled), "{answers:?}");
    let before = sandbox.counters("dwmap").requests;
    assert_eq!(words(&connector.write(&shape, &writes).await), ["refused"; 4]);
    assert_eq!((sandbox.counters("dwmap").requests, sandbox.len("account")), (before, 0));
}
