// `dynamics-web-api` against the sandbox, unmodified. Arguments: the sandbox's address, its token endpoint. Trust comes from
// NODE_EXTRA_CA_CERTS. The last line is `N passed, N failed`.
import assert from "node:assert/strict";
import { request } from "node:https";
import { DynamicsWebApi } from "dynamics-web-api";

const [url, tokenUrl] = process.argv.slice(2);

function token() {
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: "dwmap", client_secret: "sandbox-secret", scope: `${url}/.default` });
  return new Promise((resolve, reject) => {
    const sent = request(tokenUrl, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text).access_token));
    });
    sent.on("error", reject);
    sent.end(form.toString());
  });
}

const held = await token();
const api = new DynamicsWebApi({ serverUrl: url, dataApi: { version: "9.2" }, onTokenRefresh: async () => held });
const refused = async (work, status) => assert.rejects(work, (error) => (assert.equal(error.status, status, JSON.stringify(error)), true));
const plain = (rows) => rows.map((it) => it.name);

const checks = {
  async "a row is created, read, updated and deleted"() {
    const made = await api.create({ collection: "accounts", data: { name: "Ana", accountnumber: "J1", channels: "9,1" }, returnRepresentation: true });
    assert.equal(made.channels, "1,9");
    const key = made.accountid;
    await api.update({ collection: "accounts", key, data: { name: "Bea" } });
    await api.updateSingleProperty({ collection: "accounts", key, fieldValuePair: { telephone1: "7" } });
    const read = await api.retrieve({ collection: "accounts", key, select: ["name", "telephone1"] });
    assert.deepEqual([read.name, read.telephone1], ["Bea", "7"]);
    await api.deleteRecord({ collection: "accounts", key, property: "telephone1" });
    assert.equal((await api.retrieve({ collection: "accounts", key })).telephone1, null);
    await api.deleteRecord({ collection: "accounts", key });
    await refused(() => api.retrieve({ collection: "accounts", key }), 404);
  },
  async "an ETag guards what it was read with"() {
    const key = await api.create({ collection: "accounts", data: { name: "E" } });
    const read = await api.retrieve({ collection: "accounts", key });
    const etag = read["@odata.etag"];
    assert.ok((await api.retrieve({ collection: "accounts", key, ifnonematch: etag })) == null);
    await api.update({ collection: "accounts", key, data: { name: "E2" }, ifmatch: etag });
    // The library answers `false` where the row has another version.
    assert.equal(await api.update({ collection: "accounts", key, data: { name: "E3" }, ifmatch: etag }), false);
    assert.equal(await api.deleteRecord({ collection: "accounts", key, ifmatch: etag }), false);
    assert.equal((await api.retrieve({ collection: "accounts", key })).name, "E2");
  },
  async "an upsert can be held to creating or to updating"() {
    const at = (name, more = {}) => api.upsert({ collection: "accounts", key: "accountnumber='JU'", data: { name }, ...more });
    assert.equal(await at("no", { ifmatch: "*" }), null);
    await at("first");
    assert.equal(await at("no", { ifnonematch: "*" }), null);
    await at("second");
    const found = await api.retrieveMultiple({ collection: "accounts", filter: "accountnumber eq 'JU'" });
    assert.deepEqual(plain(found.value), ["second"]);
  },
  async "pages are followed, counted and ordered"() {
    for (let it = 0; it < 7; it++) await api.create({ collection: "accounts", data: { name: `Page ${it}` } });
    const query = { collection: "accounts", select: ["name"], filter: "startswith(name,'page')", orderBy: ["name desc"], maxPageSize: 3, count: true };
    const first = await api.retrieveMultiple(query);
    assert.deepEqual([plain(first.value), first.oDataCount], [["Page 6", "Page 5", "Page 4"], 7]);
    const second = await api.retrieveMultiple(query, first.oDataNextLink);
    assert.deepEqual(plain(second.value), ["Page 3", "Page 2", "Page 1"]);
    assert.equal((await api.retrieveAll(query)).value.length, 7);
    assert.equal(await api.count({ collection: "accounts", filter: "startswith(name,'page')" }), 7);
  },
  async "changes are told once, deletes by id"() {
    const query = { collection: "contacts", select: ["lastname"], trackChanges: true };
    const first = await api.retrieveMultiple(query);
    const kept = await api.create({ collection: "contacts", data: { lastname: "T1" } });
    const gone = await api.create({ collection: "contacts", data: { lastname: "T2" } });
    await api.deleteRecord({ collection: "contacts", key: gone });
    const changes = await api.retrieveMultiple(query, first.oDataDeltaLink);
    assert.deepEqual(changes.value.map((it) => it.lastname ?? it.reason), ["T1", "deleted"]);
    assert.deepEqual([changes.value[0].contactid, changes.value[1].id], [kept, gone]);
    const none = await api.retrieveMultiple(query, changes.oDataDeltaLink);
    assert.equal(none.value.length, 0);
    await refused(() => api.retrieveMultiple({ ...query, filter: "lastname eq 'T1'" }), 400);
  },
  async "a batch runs alone and in change sets"() {
    api.startBatch();
    api.create({ collection: "accounts", data: { name: "K1" }, inChangeSet: true, contentId: "1" });
    api.create({ collection: "contacts", data: { lastname: "K", "parentcustomerid_account@odata.bind": "$1" }, inChangeSet: true });
    api.retrieveMultiple({ collection: "accounts", filter: "name eq 'K1'", select: ["name"] });
    const [account, contact, found] = await api.executeBatch();
    assert.deepEqual(plain(found.value), ["K1"]);
    const child = await api.retrieve({ collection: "contacts", key: contact, expand: [{ property: "parentcustomerid_account", select: ["name"] }] });
    assert.deepEqual([child._parentcustomerid_value, child.parentcustomerid_account.name], [account, "K1"]);
    api.startBatch();
    api.create({ collection: "accounts", data: { name: "K2" }, inChangeSet: true });
    api.create({ collection: "accounts", data: { name: "x".repeat(161) }, inChangeSet: true });
    await assert.rejects(() => api.executeBatch());
    assert.equal((await api.retrieveMultiple({ collection: "accounts", filter: "name eq 'K2'" })).value.length, 0);
  },
  async "references are set and cleared by their own addresses"() {
    const account = await api.create({ collection: "accounts", data: { name: "R" } });
    const contact = await api.create({ collection: "contacts", data: { lastname: "R" } });
    const where = { collection: "accounts", primaryKey: account, navigationProperty: "primarycontactid" };
    await api.associateSingleValued({ ...where, relatedCollection: "contacts", relatedKey: contact });
    const read = await api.retrieve({ collection: "accounts", key: account, includeAnnotations: "*" });
    assert.deepEqual([read._primarycontactid_value, read._primarycontactid_value_LogicalName], [contact, "contact"]);
    await api.disassociateSingleValued(where);
    assert.equal((await api.retrieve({ collection: "accounts", key: account }))._primarycontactid_value, null);
  },
  async "actions write many rows or none"() {
    const targets = (names) => names.map((name) => ({ name, "@odata.type": "Microsoft.Dynamics.CRM.account" }));
    const call = (names) => api.callAction({ collection: "accounts", actionName: "Microsoft.Dynamics.CRM.CreateMultiple", action: { Targets: targets(names) } });
    assert.equal((await call(["A1", "A2"])).Ids.length, 2);
    await refused(() => call(["A3", "x".repeat(161)]), 400);
    assert.equal((await api.retrieveMultiple({ collection: "accounts", filter: "name eq 'A3'" })).value.length, 0);
  },
  async "tables are described"() {
    const table = await api.retrieveEntity({ key: "LogicalName='account'", select: ["EntitySetName", "ChangeTrackingEnabled"] });
    assert.deepEqual([table.EntitySetName, table.ChangeTrackingEnabled], ["accounts", true]);
    const named = new DynamicsWebApi({ serverUrl: url, dataApi: { version: "9.2" }, onTokenRefresh: async () => held, useEntityNames: true });
    assert.ok((await named.retrieveMultiple({ collection: "account", top: 1 })).value.length === 1);
    const csdl = await api.retrieveCsdlMetadata();
    assert.match(csdl, /<EntityType Name="account">/);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${error.stack ?? JSON.stringify(error)}`);
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
