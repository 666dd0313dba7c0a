//! What we add to a database: side tables, and triggers on each table that a map uses.
//!
//! The triggers use only what every SQLite program has, since they run in whatever program writes. Statements in them
//! have no conflict clauses: SQLite would replace those by the clause of the statement that fired the trigger.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::Fault;
use crate::connect::sql::{literal, quoted};
use crate::schema::Shape;

/// The side tables. A row of `_dwmap_link` whose own row was deleted stands as `gone:` and the link, so that a create which is
/// sent again does not make the row anew. `_dwmap_table.since`: the number in the log at which the triggers were installed last.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS _dwmap_log(seq INTEGER PRIMARY KEY AUTOINCREMENT, tab TEXT NOT NULL, row TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS _dwmap_log_by_table ON _dwmap_log(tab, seq);
CREATE TABLE IF NOT EXISTS _dwmap_version(tab TEXT NOT NULL, row TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (tab, row));
CREATE TABLE IF NOT EXISTS _dwmap_link(tab TEXT NOT NULL, row TEXT NOT NULL, link TEXT NOT NULL, PRIMARY KEY (tab, row));
CREATE INDEX IF NOT EXISTS _dwmap_link_by_link ON _dwmap_link(tab, link);
CREATE INDEX IF NOT EXISTS _dwmap_link_gone ON _dwmap_link(tab) WHERE row GLOB 'gone:*';
CREATE TABLE IF NOT EXISTS _dwmap_table(tab TEXT PRIMARY KEY, since INTEGER NOT NULL);
";

/// One table with what addresses its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub table: String,
    pub key: Vec<String>,
}

impl Target {
    /// The declared primary key addresses rows; where there is none, the map's key does.
    pub fn of(db: &Connection, shape: &Shape) -> Result<Self, Fault> {
        let table = shape.set.clone();
        let kind: Option<String> = db
            .prepare_cached("SELECT type FROM sqlite_schema WHERE name = ?1 AND type IN ('table', 'view')")?
            .query_row([&table], |row| row.get(0))
            .optional()?;
        match kind.as_deref() {
            Some("table") => {}
            Some(_) => return Err(Fault::schema(format!("`{table}` is a view; a map needs a table, which can have triggers"))),
            None => return Err(Fault::schema(format!("the database has no table `{table}`"))),
        }
        let declared: Vec<String> = db
            .prepare_cached("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
            .query_map([&table], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let key =
            if declared.is_empty() { shape.key.iter().map(|slot| shape.field(*slot).name.clone()).collect() } else { declared };
        if key.is_empty() {
            return Err(Fault::schema(format!("table `{table}` has no primary key; declare one")));
        }
        Ok(Self { table, key })
    }

    /// The row's address as a JSON list. JSON cannot hold a BLOB, and a trigger must never fail in the user's program.
    pub fn address(&self, of: &str) -> String {
        let part = |name: &String| {
            let column = format!("{of}.{}", quoted(name));
            format!("CASE typeof({column}) WHEN 'blob' THEN 'blob:' || hex({column}) ELSE {column} END")
        };
        format!("json_array({})", self.key.iter().map(part).collect::<Vec<_>>().join(", "))
    }

    /// The triggers by name.
    fn triggers(&self) -> [(String, String); 3] {
        let (new, old, tab) = (self.address("new"), self.address("old"), literal(&self.table));
        let note = |row: &str| {
            format!(
                "INSERT INTO _dwmap_log(tab, row) VALUES ({tab}, {row}); \
                 DELETE FROM _dwmap_version WHERE tab = {tab} AND row = {row}; \
                 INSERT INTO _dwmap_version(tab, row, seq) VALUES ({tab}, {row}, (SELECT max(seq) FROM _dwmap_log));"
            )
        };
        let gone = format!(
            "INSERT INTO _dwmap_log(tab, row) VALUES ({tab}, {old}); \
             DELETE FROM _dwmap_version WHERE tab = {tab} AND row = {old}; \
             DELETE FROM _dwmap_link WHERE tab = {tab} AND row = \
               (SELECT 'gone:' || link FROM _dwmap_link WHERE tab = {tab} AND row = {old}); \
             UPDATE _dwmap_link SET row = 'gone:' || link WHERE tab = {tab} AND row = {old};"
        );
        let moved = format!(
            "INSERT INTO _dwmap_log(tab, row) SELECT {tab}, {old} WHERE {old} <> {new}; \
             DELETE FROM _dwmap_version WHERE tab = {tab} AND row = {old}; \
             DELETE FROM _dwmap_link WHERE tab = {tab} AND row = {new} AND {old} <> {new}; \
             UPDATE _dwmap_link SET row = {new} WHERE tab = {tab} AND row = {old} AND {old} <> {new};"
        );
        let trigger = |event: &str, body: String| {
            let name = format!("_dwmap_{}_{}", self.table, event.to_lowercase());
            let on = quoted(&self.table);
            let sql = format!("CREATE TRIGGER {} AFTER {event} ON {on} BEGIN {body} END", quoted(&name));
            (name, sql)
        };
        [trigger("INSERT", note(&new)), trigger("UPDATE", format!("{moved} {}", note(&new))), trigger("DELETE", gone)]
    }

    /// What `install` would add, in words; `None`: it is there. Nothing is changed.
    pub fn addition(&self, db: &Connection) -> Result<Option<String>, Fault> {
        let is_there = self.is_installed(db)?;
        Ok((!is_there).then(|| format!("three triggers on `{}`, with their notes in tables named `_dwmap_…`", self.table)))
    }

    /// Puts side tables of this connection alone in the place of those that triggers would fill: no row has a version or a link then.
    pub fn stand_in(&self, db: &Connection) -> Result<(), Fault> {
        db.execute_batch(
            &TABLES
                .replace("TABLE IF NOT EXISTS ", "TABLE IF NOT EXISTS temp.")
                .replace("INDEX IF NOT EXISTS ", "INDEX IF NOT EXISTS temp."),
        )?;
        db.execute("INSERT OR IGNORE INTO temp._dwmap_table(tab, since) VALUES (?1, 0)", [&self.table])?;
        Ok(())
    }

    /// All our triggers are there and as they must be.
    pub fn is_installed(&self, db: &Connection) -> Result<bool, Fault> {
        let mut select =
            db.prepare_cached("SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name = ?1 AND tbl_name = ?2")?;
        for (name, sql) in self.triggers() {
            let found: Option<String> = select.query_row([&name, &self.table], |row| row.get(0)).optional()?;
            if found.as_ref() != Some(&sql) {
                return Ok(false);
            }
        }
        let mut table = db.prepare_cached("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = '_dwmap_table'")?;
        Ok(table.exists([])? && db.prepare("SELECT 1 FROM main._dwmap_table WHERE tab = ?1")?.exists([&self.table])?)
    }

    /// Installs what is missing. Changes may have gone unseen before, so all versions move and older tokens expire.
    pub fn install(&self, db: &mut Connection) -> Result<(), Fault> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(TABLES)?;
        for (name, sql) in self.triggers() {
            tx.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quoted(&name)))?;
            tx.execute_batch(&sql)?;
        }
        tx.execute("DELETE FROM _dwmap_version WHERE tab = ?1", [&self.table])?;
        tx.execute("INSERT INTO _dwmap_log(tab, row) VALUES ('', '')", [])?;
        let since = tx.last_insert_rowid();
        tx.execute("INSERT OR REPLACE INTO _dwmap_table(tab, since) VALUES (?1, ?2)", params![self.table, since])?;
        tx.commit()?;
        Ok(())
    }
}
