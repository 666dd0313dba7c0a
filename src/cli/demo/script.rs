//! The scripted users: one at the screen of each system, with a habit of editing what the other one edits, too.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::stage::Delays;
use crate::change::Side;
use crate::sandbox::{Refusal, Running};

/// Why the script could not go on.
pub struct Trouble {
    what: String,
    refusal: Refusal,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the scripted user could not {}: {}", self.what, self.refusal)
    }
}

pub struct Script<'a> {
    random: std::cell::Cell<u64>,
    fo: &'a Running,
    dv: &'a Running,
    delays: &'a Delays,
}

/// What a user does.
#[derive(Clone, Copy)]
enum Deed {
    RenameAccount,
    MoveCustomer,
    RaiseLimit,
    HoldAccount,
    EditContact,
    EditGroup,
    BothRename,
    NewAccount,
    NewCustomer,
    DeleteCustomer,
}

/// Ten kinds in the proportion in which they come.
const DEEDS: [Deed; 16] = [
    Deed::RenameAccount,
    Deed::MoveCustomer,
    Deed::RaiseLimit,
    Deed::HoldAccount,
    Deed::EditContact,
    Deed::RenameAccount,
    Deed::MoveCustomer,
    Deed::EditGroup,
    Deed::RaiseLimit,
    Deed::BothRename,
    Deed::NewAccount,
    Deed::RenameAccount,
    Deed::MoveCustomer,
    Deed::HoldAccount,
    Deed::NewCustomer,
    Deed::DeleteCustomer,
];

impl<'a> Script<'a> {
    pub fn new(seed: u64, fo: &'a Running, dv: &'a Running, delays: &'a Delays) -> Self {
        let random = std::cell::Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self { random, fo, dv, delays }
    }

    /// Makes that many edits, one after the other.
    pub async fn play(&self, edits: u32, every: Duration) -> Result<(), Trouble> {
        for number in 0..edits {
            let deed = DEEDS[self.below(DEEDS.len())];
            self.act(deed, number).map_err(|(what, refusal)| Trouble { what: what.to_owned(), refusal })?;
            tokio::time::sleep(every).await;
        }
        Ok(())
    }

    fn act(&self, deed: Deed, number: u32) -> Result<(), (&'static str, Refusal)> {
        match deed {
            Deed::RenameAccount => self.edit_account(json!({ "name": format!("Renamed {number} GmbH ") })),
            Deed::MoveCustomer => {
                self.edit_customer(json!({ "AddressCity": format!("Town {number}"), "AddressZipCode": format!("{:05}", number) }))
            }
            Deed::RaiseLimit => self.edit_customer(json!({ "CreditLimit": number * 1000 })),
            Deed::HoldAccount => self.edit_account(json!({ "description": format!("Called on day {number}") })),
            Deed::EditContact => {
                self.edit(Side::Right, "contact", "contactid", json!({ "emailaddress1": format!("Person{number}@Example.com") }))
            }
            Deed::EditGroup => {
                self.edit(Side::Left, "CustomerGroups", "", json!({ "Description": format!("Group as of {number}") }))
            }
            Deed::BothRename => self.both_rename(number),
            Deed::NewAccount => self.new_account(number),
            Deed::NewCustomer => self.new_customer(number),
            Deed::DeleteCustomer => self.delete_customer(),
        }
    }

    fn edit_account(&self, change: Value) -> Result<(), (&'static str, Refusal)> {
        self.edit(Side::Right, "account", "accountid", change)
    }

    fn edit_customer(&self, change: Value) -> Result<(), (&'static str, Refusal)> {
        match self.some_organisation() {
            Some(row) => self.update(Side::Left, "CustomersV3", &key_of(&row), change),
            None => Ok(()),
        }
    }

    /// A row of that entity, changed.
    fn edit(&self, side: Side, entity: &str, id_field: &str, change: Value) -> Result<(), (&'static str, Refusal)> {
        let rows = self.screen(side).rows(entity);
        let Some(row) = rows.get(self.below(rows.len())) else { return Ok(()) };
        let id = match row.get(id_field).and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => group_key_of(row),
        };
        self.update(side, entity, &id, change)
    }

    fn update(&self, side: Side, entity: &str, id: &str, change: Value) -> Result<(), (&'static str, Refusal)> {
        self.delays.edited(side, id);
        self.screen(side).update(entity, id, fields(change)).map_err(|it| ("edit a row", it))
    }

    /// Both users rename one customer at the same moment: the map's conflict policy decides.
    fn both_rename(&self, number: u32) -> Result<(), (&'static str, Refusal)> {
        let Some(row) = self.some_organisation() else { return Ok(()) };
        let accounts = self.dv.rows("account");
        let twin = accounts.iter().find(|it| it.get("accountnumber") == row.get("CustomerAccount"));
        self.update(Side::Left, "CustomersV3", &key_of(&row), json!({ "OrganizationName": format!("Left {number}") }))?;
        match twin.and_then(|it| it.get("accountid")).and_then(Value::as_str) {
            Some(id) => self.update(Side::Right, "account", id, json!({ "name": format!("Right {number}") })),
            None => Ok(()),
        }
    }

    fn new_account(&self, number: u32) -> Result<(), (&'static str, Refusal)> {
        let Some(like) =
            self.dv.rows("account").into_iter().find(|it| it.get("_msdyn_customergroupid_value").is_some_and(Value::is_string))
        else {
            return Ok(());
        };
        let mut row = fields(
            json!({ "accountnumber": format!("DV-{number:05}"), "name": format!("New account {number}"), "customertypecode": 3 }),
        );
        for (reference, set) in [
            ("msdyn_company", "cdm_companies"),
            ("msdyn_customergroupid", "msdyn_customergroups"),
            ("transactioncurrencyid", "transactioncurrencies"),
        ] {
            if let Some(id) = like.get(&format!("_{reference}_value")).and_then(Value::as_str) {
                row.insert(format!("{reference}@odata.bind"), Value::from(format!("/{set}({id})")));
            }
        }
        let id = self.dv.insert("account", row).map_err(|it| ("make an account", it))?;
        self.delays.edited(Side::Right, &id);
        Ok(())
    }

    fn new_customer(&self, number: u32) -> Result<(), (&'static str, Refusal)> {
        let Some(mut row) = self.some_organisation() else { return Ok(()) };
        row.retain(|name, _| !name.starts_with('@') && name != "ModifiedDateTime");
        row.extend(fields(
            json!({ "CustomerAccount": format!("FO-{number:05}"), "OrganizationName": format!("New customer {number}") }),
        ));
        let id = self.fo.insert("CustomersV3", row).map_err(|it| ("make a customer", it))?;
        self.delays.edited(Side::Left, &id);
        Ok(())
    }

    fn delete_customer(&self) -> Result<(), (&'static str, Refusal)> {
        match self.some_organisation() {
            Some(row) => self.fo.delete("CustomersV3", &key_of(&row)).map_err(|it| ("delete a customer", it)),
            None => Ok(()),
        }
    }

    fn some_organisation(&self) -> Option<Map<String, Value>> {
        let rows = self.fo.rows("CustomersV3");
        let start = self.below(rows.len());
        let is_one = |row: &&Map<String, Value>| row.get("PartyType").and_then(Value::as_str) == Some("Organization");
        rows.iter().skip(start).chain(&rows).find(is_one).cloned()
    }

    fn screen(&self, side: Side) -> &Running {
        match side {
            Side::Left => self.fo,
            Side::Right => self.dv,
        }
    }

    fn below(&self, limit: usize) -> usize {
        let mut it = self.random.get();
        it ^= it << 13;
        it ^= it >> 7;
        it ^= it << 17;
        self.random.set(it);
        usize::try_from(it >> 1).unwrap_or(usize::MAX) % limit.max(1)
    }
}

fn fields(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(fields) => fields,
        _ => unreachable!("the script writes objects"),
    }
}

fn key_of(customer: &Map<String, Value>) -> String {
    key(customer, ["dataAreaId", "CustomerAccount"])
}

fn group_key_of(group: &Map<String, Value>) -> String {
    key(group, ["dataAreaId", "CustomerGroupId"])
}

/// The key fields as the sandbox names a row.
fn key(row: &Map<String, Value>, names: [&str; 2]) -> String {
    let part = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    format!("{{\"{}\":{},\"{}\":{}}}", names[0], part(names[0]), names[1], part(names[1]))
}
