"""Microsoft's PowerPlatform-Dataverse-Client against the sandbox, unmodified: what it does must be what the sandbox holds.

Arguments: the sandbox's address, its token endpoint. Trust comes from REQUESTS_CA_BUNDLE. The last line is `N passed, N failed`.
"""

import sys
import time
import traceback
import uuid

import requests
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.upsert import UpsertItem

URL, TOKEN_URL = sys.argv[1:3]


class Credential:
    """Client credentials at the sandbox's token endpoint."""

    def get_token(self, *scopes, **_):
        assert scopes == (f"{URL}/.default",), scopes
        form = {
            "grant_type": "client_credentials",
            "client_id": "dwmap",
            "client_secret": "sandbox-secret",
            "scope": scopes[0],
        }
        answer = requests.post(TOKEN_URL, data=form, timeout=10)
        answer.raise_for_status()
        granted = answer.json()
        return AccessToken(granted["access_token"], int(time.time()) + granted["expires_in"])


client = DataverseClient(URL, Credential())
records = client.records


def refused(work):
    try:
        work()
    except HttpError as error:
        return error
    raise AssertionError("it was not refused")


def a_row_is_created_read_updated_and_deleted():
    id = records.create("account", {"name": "Ana", "accountnumber": "P1", "creditlimit": 12.5, "industrycode": "Wholesale"})
    uuid.UUID(id)
    row = records.retrieve("account", id)
    assert (row["name"], row["creditlimit"], row["industrycode"]) == ("Ana", 12.5, 2), dict(row)
    assert row.etag.startswith('W/"'), row.etag
    records.update("account", id, {"name": "Bea", "telephone1": "1"})
    row = records.retrieve("account", id, select=["name", "telephone1"])
    assert (row["name"], row["telephone1"]) == ("Bea", "1") and "creditlimit" not in row.data, dict(row)
    records.delete("account", id)
    assert records.retrieve("account", id) is None


def what_is_not_there_is_refused_with_its_code():
    error = refused(lambda: records.update("account", str(uuid.uuid4()), {"name": "X"}))
    assert error.status_code == 404 and error.details["service_error_code"] == "0x80040217", error.to_dict()
    error = refused(lambda: records.create("account", {"name": "x" * 161}))
    assert error.status_code == 400 and error.details["service_error_code"] == "0x80044331", error.to_dict()


def many_rows_go_in_one_request_or_not_at_all():
    ids = records.create("account", [{"name": f"M{it}", "accountnumber": f"M{it}"} for it in range(30)])
    assert len(set(ids)) == 30
    records.update("account", ids, {"telephone1": "all"})
    records.update("account", ids[:2], [{"telephone1": "a"}, {"telephone1": "b"}])
    phones = [row["telephone1"] for row in records.list("account", filter="startswith(accountnumber,'M')", orderby=["name"])]
    assert sorted(phones)[:3] == ["a", "all", "all"] and len(phones) == 30, phones
    refused(lambda: records.create("account", [{"name": "M30", "accountnumber": "M30"}, {"name": "M1", "accountnumber": "M1"}]))
    assert not list(records.list("account", filter="accountnumber eq 'M30'"))
    refused(lambda: records.update("account", [ids[0], str(uuid.uuid4())], {"telephone1": "none"}))
    assert records.retrieve("account", ids[0])["telephone1"] == "a"
    records.delete("account", ids, use_bulk_delete=False)


def an_upsert_makes_a_row_once():
    for name in ["first", "second"]:
        records.upsert("account", [UpsertItem(alternate_key={"accountnumber": "U1"}, record={"name": name})])
    both = [{"alternate_key": {"accountnumber": key}, "record": {"name": "both"}} for key in ["U1", "U2"]]
    records.upsert("account", both)
    names = [(row["accountnumber"], row["name"]) for row in records.list("account", filter="name eq 'both'", orderby=["accountnumber"])]
    assert names == [("U1", "both"), ("U2", "both")], names


def pages_are_followed_to_the_end():
    records.create("contact", [{"lastname": f"L{it:03}"} for it in range(25)])
    pages = list(records.list_pages("contact", filter="contains(lastname,'L')", orderby=["lastname desc"], page_size=10))
    names = [row["lastname"] for page in pages for row in page]
    assert [len(page) for page in pages] == [10, 10, 5], [len(page) for page in pages]
    assert names == sorted(names, reverse=True) and len(set(names)) == 25, names
    assert len(list(records.list("contact", filter="endswith(lastname,'4')", top=2))) == 2


def references_are_bound_and_expanded():
    contact = records.create("contact", {"firstname": "Eva", "lastname": "E"})
    account = records.create("account", {"name": "Parent", "primarycontactid@odata.bind": f"/contacts({contact})"})
    row = records.retrieve(
        "account", account, expand=["primarycontactid($select=firstname)"], include_annotations="*"
    )
    assert row["primarycontactid"]["firstname"] == "Eva", dict(row)
    assert row["_primarycontactid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact", dict(row)
    child = records.create("contact", {"lastname": "F", "parentcustomerid_account@odata.bind": f"/accounts({account})"})
    assert records.retrieve("contact", child)["_parentcustomerid_value"] == account


def a_batch_answers_each_of_its_requests():
    batch = client.batch.new()
    batch.records.create("account", {"name": "Batch 1"})
    batch.records.create("account", {"name": "x" * 161})
    batch.records.create("account", {"name": "Batch 2"})
    answers = batch.execute(continue_on_error=True).responses
    assert [it.status_code for it in answers] == [204, 400, 204], answers
    batch = client.batch.new()
    batch.records.create("account", {"name": "x" * 161})
    batch.records.create("account", {"name": "Batch 3"})
    answers = batch.execute().responses
    assert [it.status_code for it in answers] == [400], answers
    assert [row["name"] for row in records.list("account", filter="startswith(name,'batch')", orderby=["name"])] == ["Batch 1", "Batch 2"]


def a_change_set_stands_or_falls_as_one():
    batch = client.batch.new()
    with batch.changeset() as group:
        contact = group.records.create("contact", {"lastname": "C1"})
        account = group.records.create("account", {"name": "C1", "primarycontactid@odata.bind": contact})
        group.records.update("account", account, {"telephone1": "9"})
    batch.records.list("account", filter="name eq 'C1'", select=["telephone1"])
    result = batch.execute()
    assert [it.status_code for it in result.responses] == [204, 204, 204, 200], result.responses
    assert result.responses[3].data["value"][0]["telephone1"] == "9", result.responses[3].data
    batch = client.batch.new()
    with batch.changeset() as group:
        group.records.create("contact", {"lastname": "C2"})
        group.records.create("account", {"name": "x" * 161})
    result = batch.execute()
    assert [it.status_code for it in result.responses] == [400], result.responses
    assert not list(records.list("contact", filter="lastname eq 'C2'"))


def tables_are_described():
    table = client.tables.get("account")
    assert (table.entity_set_name, table.logical_name) == ("accounts", "account"), table
    keys = client.tables.get_alternate_keys("account")
    assert [(it.key_attributes, it.status) for it in keys] == [(["accountnumber"], "Active")], keys
    columns = {it["LogicalName"] for it in client.tables.list_columns("account")}
    assert {"accountid", "creditlimit", "channels"} <= columns, columns


CHECKS = [
    a_row_is_created_read_updated_and_deleted,
    what_is_not_there_is_refused_with_its_code,
    many_rows_go_in_one_request_or_not_at_all,
    an_upsert_makes_a_row_once,
    pages_are_followed_to_the_end,
    references_are_bound_and_expanded,
    a_batch_answers_each_of_its_requests,
    a_change_set_stands_or_falls_as_one,
    tables_are_described,
]

failed = 0
for check in CHECKS:
    try:
        check()
        print(f"ok {check.__name__}")
    except Exception:
        failed += 1
        print(f"FAILED {check.__name__}")
        traceback.print_exc(file=sys.stdout)
print(f"{len(CHECKS) - failed} passed, {failed} failed")
sys.exit(failed > 0)
