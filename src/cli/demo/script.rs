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
    /// What the users found when they sat down; rows may be gone since.
    organisations: Vec<Row>,
    accounts: Vec<Row>,
    contacts: Vec<Row>,
    groups: Vec<Row>,
}

type Row = Map<String, Value>;
type Done = Result<(), (&'static str, Refusal)>;

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
        let is_organisation = |row: &Row| row.get("PartyType").and_then(Value::as_str) == Some("Organization");
        let organisations = fo.rows("CustomersV3").into_iter().filter(is_organisation).collect();
        let (accounts, contacts, groups) = (dv.rows("account"), dv.rows("contact"), fo.rows("CustomerGroups"));
        Self { random, fo, dv, delays, organisations, accounts, contacts, groups }
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

    fn act(&self, deed: Deed, number: u32) -> Done {
        match deed {
            Deed::RenameAccount => self.edit_account(json!({ "name": format!("Renamed {number} GmbH ") })),
            Deed::HoldAccount => self.edit_account(json!({ "description": format!("Called on day {number}") })),
            Deed::MoveCustomer => {
                let (town, code) = (format!("Town {number}"), format!("{number:05}"));
                self.edit_customer(json!({ "AddressCity": town, "AddressZipCode": code }))
            }
            Deed::RaiseLimit => self.edit_customer(json!({ "CreditLimit": number * 1000 })),
            Deed::EditContact => match self.pick(&self.contacts) {
                Some(row) => {
                    let mail = format!("Person{number}@Example.com");
                    self.update(Side::Right, "contact", &text(row, "contactid"), json!({ "emailaddress1": mail }))
                }
                None => Ok(()),
            },
            Deed::EditGroup => match self.pick(&self.groups) {
                Some(row) => {
                    let key = key(row, ["dataAreaId", "CustomerGroupId"]);
                    self.update(Side::Left, "CustomerGroups", &key, json!({ "Description": format!("Group as of {number}") }))
                }
                None => Ok(()),
            },
            Deed::BothRename => self.both_rename(number),
            Deed::NewAccount => self.new_account(number),
            Deed::NewCustomer => self.new_customer(number),
            Deed::DeleteCustomer => self.delete_customer(),
        }
    }

    fn edit_account(&self, change: Value) -> Done {
        match self.pick(&self.accounts) {
            Some(row) => self.update(Side::Right, "account", &text(row, "accountid"), change),
            None => Ok(()),
        }
    }

    fn edit_customer(&self, change: Value) -> Done {
        match self.pick(&self.organisations) {
            Some(row) => self.update(Side::Left, "CustomersV3", &customer_key(row), change),
            None => Ok(()),
        }
    }

    /// Changes a row, if it is there still: the other user may have deleted it.
    fn update(&self, side: Side, entity: &str, id: &str, change: Value) -> Done {
        if self.screen(side).row(entity, id).is_none() {
            return Ok(());
        }
        self.delays.edited(side, id);
        self.screen(side).update(entity, id, fields(change)).map_err(|it| ("edit a row", it))
    }

    /// Both users rename one customer at the same moment: the map's conflict policy decides.
    fn both_rename(&self, number: u32) -> Done {
        let Some(account) = self.pick(&self.accounts) else { return Ok(()) };
        let is_twin = |it: &&Row| it.get("CustomerAccount") == account.get("accountnumber");
        let Some(customer) = self.organisations.iter().find(is_twin) else { return Ok(()) };
        let (left, right) = (format!("Left {number}"), format!("Right {number}"));
        self.update(Side::Left, "CustomersV3", &customer_key(customer), json!({ "OrganizationName": left }))?;
        self.update(Side::Right, "account", &text(account, "accountid"), json!({ "name": right }))
    }

    fn new_account(&self, number: u32) -> Done {
        let has_group = |it: &&Row| it.get("_msdyn_customergroupid_value").is_some_and(Value::is_string);
        let Some(like) = self.accounts.iter().find(has_group) else { return Ok(()) };
        let (account, name) = (format!("DV-{number:05}"), format!("New account {number}"));
        let mut row = fields(json!({ "accountnumber": account, "name": name, "customertypecode": 3 }));
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

    fn new_customer(&self, number: u32) -> Done {
        let Some(like) = self.pick(&self.organisations) else { return Ok(()) };
        let mut row = like.clone();
        row.retain(|name, _| !name.starts_with('@') && name != "ModifiedDateTime");
        let (account, name) = (format!("FO-{number:05}"), format!("New customer {number}"));
        row.extend(fields(json!({ "CustomerAccount": account, "OrganizationName": name })));
        let id = self.fo.insert("CustomersV3", row).map_err(|it| ("make a customer", it))?;
        self.delays.edited(Side::Left, &id);
        Ok(())
    }

    fn delete_customer(&self) -> Done {
        let Some(row) = self.pick(&self.organisations) else { return Ok(()) };
        let key = customer_key(row);
        match self.fo.row("CustomersV3", &key) {
            Some(_) => self.fo.delete("CustomersV3", &key).map_err(|it| ("delete a customer", it)),
            None => Ok(()),
        }
    }

    fn pick<'r>(&self, rows: &'r [Row]) -> Option<&'r Row> {
        rows.get(self.below(rows.len()))
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

fn fields(json: Value) -> Row {
    match json {
        Value::Object(fields) => fields,
        _ => unreachable!("the script writes objects"),
    }
}

fn text(row: &Row, field: &str) -> String {
    row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn customer_key(customer: &Row) -> String {
    key(customer, ["dataAreaId", "CustomerAccount"])
}

/// The key fields as the sandbox names a row.
fn key(row: &Row, names: [&str; 2]) -> String {
    let part = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    format!("{{\"{}\":{},\"{}\":{}}}", names[0], part(names[0]), names[1], part(names[1]))
}
