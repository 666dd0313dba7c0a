//! Writing rows: one transaction for a batch, a savepoint for each write, the row read back inside.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use super::install::Target;
use super::{Fault, cells, rows};
use crate::change::{Answer, Class, Failure, LinkId, RemoteId, Version, Write};
use crate::connect::sql::{quoted, with_own_key};
use crate::schema::Shape;
use crate::value::Record;

/// The answers stand in the order of the writes. A check that the database defers to the commit fails them together; then each is
/// done alone.
pub async fn all(client: &mut Client, target: &Target, shape: &Shape, writes: &[Write]) -> Vec<Answer> {
    match batch(client, target, shape, writes).await {
        Ok(answers) => answers,
        Err(failure) if writes.len() > 1 && !failure.is_ambiguous => {
            let mut answers = Vec::with_capacity(writes.len());
            for write in writes {
                let alone = batch(client, target, shape, std::slice::from_ref(write)).await;
                answers.extend(alone.unwrap_or_else(|failure| vec![Answer::Failed(failure)]));
            }
            answers
        }
        Err(failure) => writes.iter().map(|_| Answer::Failed(failure.clone())).collect(),
    }
}

async fn batch(client: &mut Client, target: &Target, shape: &Shape, writes: &[Write]) -> Result<Vec<Answer>, Failure> {
    let mut tx = client.transaction().await.map_err(|error| Fault::from(error).failure())?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        let savepoint = tx.transaction().await.map_err(|error| Fault::from(error).failure())?;
        match one(&savepoint, target, shape, write).await {
            Ok(answer) => {
                savepoint.commit().await.map_err(|error| Fault::from(error).failure())?;
                answers.push(answer);
            }
            Err(fault) if fault.ends_transaction() => return Err(fault.failure()),
            Err(fault) => {
                savepoint.rollback().await.map_err(|error| Fault::from(error).failure())?;
                let is_create = matches!(write, Write::Create { .. });
                answers.push(if is_create && fault.is_duplicate() { Answer::Exists } else { Answer::Failed(fault.failure()) });
            }
        }
    }
    match tx.commit().await {
        Ok(()) => Ok(answers),
        // A commit whose answer is lost may have taken effect; one that the database refused has not.
        Err(error) => Err(Failure { is_ambiguous: error.as_db_error().is_none(), ..Fault::from(error).failure() }),
    }
}

async fn one(tx: &Transaction<'_>, target: &Target, shape: &Shape, write: &Write) -> Result<Answer, Fault> {
    match write {
        Write::Create { link, record } => create(tx, target, shape, *link, record).await,
        Write::Update { id, expected, record } => update(tx, target, shape, id, expected, record).await,
        Write::Delete { id, expected } => delete(tx, target, id, expected).await,
    }
}

/// Columns, their types, and the texts of what is said.
fn said(target: &Target, shape: &Shape, record: &Record) -> Result<Vec<(String, String, Option<String>)>, Fault> {
    let mut out = Vec::new();
    for (slot, value) in record.slots().filter(|(_, value)| value.is_known()) {
        let name = &shape.field(slot).name;
        let ty = target.type_of(name).ok_or_else(|| Fault::schema(format!("table `{}` has no column `{name}`", target.name)))?;
        let text = cells::encode(value).map_err(|why| Failure::new(Class::Validation, format!("column `{name}`: {why}")))?;
        out.push((name.clone(), ty.to_owned(), text));
    }
    Ok(out)
}

async fn create(tx: &Transaction<'_>, target: &Target, shape: &Shape, link: LinkId, record: &Record) -> Result<Answer, Fault> {
    if rows::by_link(tx, target, shape, link).await?.is_some() {
        return Ok(Answer::Exists);
    }
    if rows::was_deleted(tx, target, link).await? {
        return Ok(Answer::Gone);
    }
    let record = with_own_key(shape, link, record);
    let said = said(target, shape, &record)?;
    let columns: Vec<String> = said.iter().map(|(name, _, _)| quoted(name)).collect();
    let values: Vec<String> = (1..).zip(&said).map(|(number, (_, ty, _))| rows::cast(number, ty)).collect();
    let content = if said.is_empty() {
        "DEFAULT VALUES".to_owned()
    } else {
        format!("({}) VALUES ({})", columns.join(", "), values.join(", "))
    };
    let sql = format!("INSERT INTO {} AS t {content} RETURNING {}", target.table, target.address("t"));
    let address: String = tx.query_one(&sql, &params(&said.iter().map(|it| &it.2).collect::<Vec<_>>())).await?.get(0);
    let sql = "INSERT INTO dwmap.link(tab, address, link) VALUES ($1, $2, CAST($3::text AS uuid))
         ON CONFLICT (tab, address) DO UPDATE SET link = excluded.link";
    tx.execute(sql, &[&target.name, &address, &link.to_string()]).await?;
    read_back(tx, target, shape, &address).await
}

fn params<'a>(texts: &'a [&'a Option<String>]) -> Vec<&'a (dyn ToSql + Sync)> {
    texts.iter().map(|it| *it as &(dyn ToSql + Sync)).collect()
}

async fn update(
    tx: &Transaction<'_>,
    target: &Target,
    shape: &Shape,
    id: &RemoteId,
    expected: &Version,
    record: &Record,
) -> Result<Answer, Fault> {
    let said = said(target, shape, record)?;
    let Some(parts) = rows::parts(target, &id.0) else { return Ok(Answer::Gone) };
    let first = parts.len() + 2;
    let mut sets: Vec<String> =
        (first..).zip(&said).map(|(number, (name, ty, _))| format!("{} = {}", quoted(name), rows::cast(number, ty))).collect();
    if sets.is_empty() {
        // Nothing to say, but the version is still asked for.
        let (name, _) = &target.key[0];
        sets.push(format!("{0} = t.{0}", quoted(name)));
    }
    let sql = format!(
        "UPDATE {} AS t SET {} WHERE {} AND t.xmin::text = ${} RETURNING {}",
        target.table,
        sets.join(", "),
        rows::addressed(target),
        first - 1,
        target.address("t")
    );
    let version = Some(expected.0.clone());
    let texts: Vec<&Option<String>> = parts.iter().chain([&version]).chain(said.iter().map(|it| &it.2)).collect();
    match tx.query_opt(&sql, &params(&texts)).await? {
        Some(row) => read_back(tx, target, shape, row.get(0)).await,
        None => missed(tx, target, id).await,
    }
}

async fn delete(tx: &Transaction<'_>, target: &Target, id: &RemoteId, expected: &Version) -> Result<Answer, Fault> {
    let Some(parts) = rows::parts(target, &id.0) else { return Ok(Answer::Gone) };
    let sql =
        format!("DELETE FROM {} AS t WHERE {} AND t.xmin::text = ${}", target.table, rows::addressed(target), parts.len() + 1);
    let version = Some(expected.0.clone());
    let texts: Vec<&Option<String>> = parts.iter().chain([&version]).collect();
    let count = tx.execute(&sql, &params(&texts)).await?;
    if count > 0 { Ok(Answer::Deleted) } else { missed(tx, target, id).await }
}

/// Nothing was touched: the row is another one by now, or not there.
async fn missed(tx: &Transaction<'_>, target: &Target, id: &RemoteId) -> Result<Answer, Fault> {
    let Some(parts) = rows::parts(target, &id.0) else { return Ok(Answer::Gone) };
    let sql = format!("SELECT 1 FROM {} AS t WHERE {}", target.table, rows::addressed(target));
    let found = tx.query_opt(&sql, &params(&parts.iter().collect::<Vec<_>>())).await?;
    Ok(if found.is_some() { Answer::Moved } else { Answer::Gone })
}

/// The row as it is now, with what the table's own triggers made of it.
async fn read_back(tx: &Transaction<'_>, target: &Target, shape: &Shape, address: &str) -> Result<Answer, Fault> {
    Ok(rows::by_address(tx, target, shape, address).await?.map_or(Answer::Gone, Answer::Written))
}
