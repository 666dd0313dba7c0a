//! What we add to a database: the schema `dwmap` with a log, and triggers on each table that a map uses.

use tokio_postgres::GenericClient;

use super::Fault;
use crate::change::{Class, Failure};
use crate::connect::sql::{self, quoted};
use crate::schema::Shape;

/// Bumped when the texts below change, so that a newer program puts its own in place.
const EDITION: &str = "dwmap 3";

/// `dwmap.log.xid` is the whole 64-bit transaction number, which never wraps. The trigger runs with the rights of whoever installed
/// it, so that the programs which write need none of ours, and in UTC, so that a key that is an instant has one text. A row of
/// `dwmap.link` whose own row was deleted stands as `gone:` and the link, so that a create which is sent again does not make the
/// row anew; `gone` is its place in the log, and it goes with the log.
const OBJECTS: &str = r"
CREATE SCHEMA IF NOT EXISTS dwmap;
CREATE TABLE IF NOT EXISTS dwmap.log(
    seq bigserial PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), tab text NOT NULL, address text NOT NULL);
CREATE INDEX IF NOT EXISTS log_by_table ON dwmap.log(tab, xid, seq);
CREATE TABLE IF NOT EXISTS dwmap.link(tab text NOT NULL, address text NOT NULL, link uuid NOT NULL, PRIMARY KEY (tab, address));
CREATE UNIQUE INDEX IF NOT EXISTS link_by_link ON dwmap.link(tab, link);
ALTER TABLE dwmap.link ADD COLUMN IF NOT EXISTS gone bigint;
CREATE INDEX IF NOT EXISTS link_gone ON dwmap.link(gone) WHERE gone IS NOT NULL;
CREATE TABLE IF NOT EXISTS dwmap.watched(tab text PRIMARY KEY, since xid8 NOT NULL);
CREATE OR REPLACE FUNCTION dwmap.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog SET TimeZone = 'UTC' AS $note$
DECLARE
    was text;
    is_now text;
    place bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        -- The rows are deleted: what made them must not make them anew. The number is of no entry, as nobody is told row by row.
        place := nextval(pg_get_serial_sequence('dwmap.log', 'seq'));
        UPDATE dwmap.link SET address = 'gone:' || link, gone = place WHERE tab = TG_ARGV[0] AND gone IS NULL;
        UPDATE dwmap.watched SET since = pg_current_xact_id() WHERE tab = TG_ARGV[0];
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT jsonb_agg(to_jsonb(OLD) -> k ORDER BY n) INTO was FROM unnest(TG_ARGV[1:]) WITH ORDINALITY AS u(k, n);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT jsonb_agg(to_jsonb(NEW) -> k ORDER BY n) INTO is_now FROM unnest(TG_ARGV[1:]) WITH ORDINALITY AS u(k, n);
        INSERT INTO dwmap.log(tab, address) VALUES (TG_ARGV[0], is_now);
    END IF;
    IF was IS NOT NULL AND was IS DISTINCT FROM is_now THEN
        INSERT INTO dwmap.log(tab, address) VALUES (TG_ARGV[0], was) RETURNING seq INTO place;
        IF is_now IS NULL THEN
            UPDATE dwmap.link SET address = 'gone:' || link, gone = place WHERE tab = TG_ARGV[0] AND address = was;
        ELSE
            -- Never refused: a user's program must not fail for our sake.
            DELETE FROM dwmap.link WHERE tab = TG_ARGV[0] AND address = is_now;
            UPDATE dwmap.link SET address = is_now WHERE tab = TG_ARGV[0] AND address = was;
        END IF;
    END IF;
    RETURN NULL;
END $note$;
";

/// A text inside SQL.
pub fn literal(text: &str) -> String {
    let quoted = sql::literal(text);
    if text.contains('\\') { format!("E{}", quoted.replace('\\', "\\\\")) } else { quoted }
}

/// One table with what addresses its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the map names it.
    pub name: String,
    /// As SQL names it.
    pub table: String,
    /// Names and types of the key.
    pub key: Vec<(String, String)>,
    /// Types of all columns by name, without lengths: a cast to `varchar(20)` would cut in silence what the column refuses.
    pub columns: Vec<(String, String)>,
    /// Our triggers are there; without them rows are only looked at.
    pub is_watched: bool,
}

impl Target {
    /// The declared primary key addresses rows; where there is none, the map's key does.
    pub async fn of(client: &impl GenericClient, shape: &Shape) -> Result<Self, Fault> {
        let name = shape.set.clone();
        let table = match name.split_once('.') {
            Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(&name),
        };
        let kind = client
            .query_opt("SELECT c.relkind::text FROM pg_class c WHERE c.oid = to_regclass($1)", &[&table])
            .await?
            .map(|row| row.get::<_, String>(0));
        match kind.as_deref() {
            Some("r" | "p") => {}
            Some(_) => return Err(Fault::schema(format!("`{name}` is no table; a map needs one, which can have triggers"))),
            None => return Err(Fault::schema(format!("the database has no table `{name}`"))),
        }
        let sql = "SELECT a.attname::text, format_type(a.atttypid, -1), array_position(i.indkey::int2[], a.attnum)
             FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)
             WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let found = client.query(sql, &[&table]).await?;
        let columns: Vec<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut declared: Vec<(i32, String)> =
            found.iter().filter_map(|row| Some((row.get::<_, Option<i32>>(2)?, row.get(0)))).collect();
        declared.sort();
        let names: Vec<String> = if declared.is_empty() {
            shape.key.iter().map(|slot| shape.field(*slot).name.clone()).collect()
        } else {
            declared.into_iter().map(|(_, name)| name).collect()
        };
        let typed = |name: String| columns.iter().find(|(it, _)| *it == name).cloned();
        let key: Option<Vec<_>> = names.into_iter().map(typed).collect();
        match key.filter(|it| !it.is_empty()) {
            Some(key) => Ok(Self { name, table, key, columns, is_watched: true }),
            None => Err(Fault::schema(format!("table `{name}` has no primary key; declare one"))),
        }
    }

    pub fn type_of(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, ty)| ty.as_str())
    }

    /// The row's address as a JSON list, as the trigger writes it.
    pub fn address(&self, of: &str) -> String {
        let parts: Vec<String> = self.key.iter().map(|(name, _)| format!("to_jsonb({of}.{})", quoted(name))).collect();
        format!("jsonb_build_array({})::text", parts.join(", "))
    }

    fn arguments(&self) -> String {
        let names = std::iter::once(&self.name).chain(self.key.iter().map(|(name, _)| name));
        names.map(|it| literal(it)).collect::<Vec<_>>().join(", ")
    }

    /// Both triggers are there, enabled, over the same key, and of this edition.
    pub async fn is_installed(&self, client: &impl GenericClient) -> Result<bool, Fault> {
        let sql = "SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = to_regclass($1) AND t.tgenabled IN ('O', 'A')
             AND t.tgname IN ('dwmap_rows', 'dwmap_truncate') AND obj_description(t.oid, 'pg_trigger') = $2";
        let count: i64 = client.query_one(sql, &[&self.table, &self.mark()]).await?.get(0);
        if count != 2 {
            return Ok(false);
        }
        let since = client.query_opt("SELECT 1 FROM dwmap.watched WHERE tab = $1", &[&self.name]).await?;
        Ok(since.is_some())
    }

    fn mark(&self) -> String {
        format!("{EDITION}: {}", self.arguments())
    }

    /// Installs what is missing. Changes may have gone unseen before, so older tokens expire.
    pub async fn install(&self, client: &mut tokio_postgres::Client) -> Result<(), Fault> {
        let tx = client.transaction().await?;
        // Two programs that install at once wait for each other.
        tx.batch_execute("SELECT pg_advisory_xact_lock(hashtext('dwmap.install'))").await?;
        tx.batch_execute(OBJECTS).await?;
        let (table, arguments, mark) = (&self.table, self.arguments(), literal(&self.mark()));
        tx.batch_execute(&format!(
            "DROP TRIGGER IF EXISTS dwmap_rows ON {table}; DROP TRIGGER IF EXISTS dwmap_truncate ON {table};
             CREATE TRIGGER dwmap_rows AFTER INSERT OR UPDATE OR DELETE ON {table}
                 FOR EACH ROW EXECUTE FUNCTION dwmap.note({arguments});
             CREATE TRIGGER dwmap_truncate AFTER TRUNCATE ON {table}
                 FOR EACH STATEMENT EXECUTE FUNCTION dwmap.note({arguments});
             COMMENT ON TRIGGER dwmap_rows ON {table} IS {mark}; COMMENT ON TRIGGER dwmap_truncate ON {table} IS {mark}"
        ))
        .await?;
        let sql = "INSERT INTO dwmap.watched(tab, since) VALUES ($1, pg_current_xact_id())
             ON CONFLICT (tab) DO UPDATE SET since = excluded.since";
        tx.execute(sql, &[&self.name]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What `install` would add, in words; `None`: it is there. Nothing is changed.
    pub async fn addition(&self, client: &impl GenericClient) -> Result<Option<String>, Fault> {
        if self.is_installed(client).await? {
            return Ok(None);
        }
        let sql = "SELECT has_table_privilege(to_regclass($1), 'TRIGGER'), coalesce(has_schema_privilege(to_regnamespace('dwmap'), 'CREATE'),
             has_database_privilege(current_database(), 'CREATE')), to_regnamespace('dwmap') IS NULL, current_user::text";
        let row = client.query_one(sql, &[&self.table]).await?;
        let (may_trigger, may_create, is_new, user): (bool, bool, bool, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let name = &self.name;
        let refused = |right: String| {
            let text = format!("`{user}` may not add triggers and a log: {right}");
            Err(Fault::Said(Failure::new(Class::Auth, text)))
        };
        match (may_trigger, may_create) {
            (false, _) => refused(format!("grant TRIGGER on `{name}`")),
            (true, false) if is_new => refused("grant CREATE on the database".to_owned()),
            (true, false) => refused("grant CREATE on the schema `dwmap`".to_owned()),
            (true, true) => Ok(Some(format!("two triggers on `{name}`, with a log in the schema `dwmap`"))),
        }
    }
}
