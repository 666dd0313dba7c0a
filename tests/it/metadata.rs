//! Schemas from `$metadata`, snapshots and the lock.

use dwmap::schema::lock::{Lock, LockError};
use dwmap::schema::{Entity, Schema, csdl, snapshot};

const FINOPS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
 <edmx:DataServices>
  <Schema Namespace="Microsoft.Dynamics.DataEntities" xmlns="http://docs.oasis-open.org/odata/ns/edm">
   <EnumType Name="NoYes"><Member Name="No" Value="0"/><Member Name="Yes" Value="1"/></EnumType>
   <EnumType Name="Rights" IsFlags="true"><Member Name="Read" Value="1"/></EnumType>
   <EntityType Name="CustomerV3">
    <Key><PropertyRef Name="dataAreaId"/><PropertyRef Name="CustomerAccount"/></Key>
    <Property Name="dataAreaId" Type="Edm.String" Nullable="false" MaxLength="4"/>
    <Property Name="CustomerAccount" Type="Edm.String" Nullable="false"/>
    <Property Name="CreditLimit" Type="Edm.Decimal" Nullable="false" Scale="variable"/>
    <Property Name="Rate" Type="Edm.Decimal" Precision="20" Scale="6"/>
    <Property Name="Whole" Type="Edm.Decimal" Precision="9"/>
    <Property Name="Note" Type="Edm.String" MaxLength="max"/>
    <Property Name="IsBlocked" Type="Microsoft.Dynamics.DataEntities.NoYes"/>
    <Property Name="Flags" Type="Microsoft.Dynamics.DataEntities.Rights"/>
    <Property Name="Codes" Type="Collection(Edm.String)"/>
    <Property Name="FullName" Type="Edm.String"><Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/></Property>
    <Property Name="Free" Type="Edm.String"><Annotation Term="Org.OData.Core.V1.Computed" Bool="false"/></Property>
    <Property Name="Shown" Type="Edm.String">
     <Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.Permission/Read</EnumMember></Annotation>
    </Property>
    <Property Name="ModifiedDateTime" Type="Edm.DateTimeOffset"/>
    <NavigationProperty Name="Group" Type="Microsoft.Dynamics.DataEntities.CustomerGroup">
     <ReferentialConstraint Property="CustomerAccount" ReferencedProperty="CustomerGroupId"/>
    </NavigationProperty>
   </EntityType>
   <Action Name="Post"><Parameter Name="it" Type="Edm.String"/></Action>
   <EntityContainer Name="Resources"><EntitySet Name="CustomersV3" EntityType="Microsoft.Dynamics.DataEntities.CustomerV3"/></EntityContainer>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>"#;

const DATAVERSE: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
  <Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">
   <EntityType Name="crmbaseentity" Abstract="true"><Property Name="versionnumber" Type="Edm.Int64"/></EntityType>
   <EntityType Name="account" BaseType="mscrm.crmbaseentity">
    <Key><PropertyRef Name="accountid"/></Key>
    <Property Name="accountid" Type="Edm.Guid"/>
    <Property Name="accountnumber" Type="Edm.String" Unicode="false"/>
    <Property Name="modifiedon" Type="Edm.DateTimeOffset"/>
    <Property Name="customertypecode" Type="Edm.Int32"/>
    <Property Name="_msdyn_company_value" Type="Edm.Guid"/>
    <Property Name="_parentcustomerid_value" Type="Edm.Guid"/>
    <Property Name="_orphan_value" Type="Edm.Guid"/>
    <NavigationProperty Name="msdyn_Company" Type="mscrm.cdm_company" Nullable="false">
     <ReferentialConstraint Property="_msdyn_company_value" ReferencedProperty="cdm_companyid"/>
    </NavigationProperty>
    <NavigationProperty Name="parentcustomerid_account" Type="mscrm.account">
     <ReferentialConstraint Property="_parentcustomerid_value" ReferencedProperty="accountid"/>
    </NavigationProperty>
    <NavigationProperty Name="parentcustomerid_company" Type="mscrm.cdm_company">
     <ReferentialConstraint Property="_parentcustomerid_value" ReferencedProperty="cdm_companyid"/>
    </NavigationProperty>
    <NavigationProperty Name="children" Type="Collection(mscrm.account)" Partner="parentcustomerid_account"/>
    <Annotation Term="OData.Community.Keys.V1.AlternateKeys"><Collection><Record Type="OData.Community.Keys.V1.AlternateKey">
     <PropertyValue Property="Key"><Collection>
      <Record Type="OData.Community.Keys.V1.PropertyRef"><PropertyValue Property="Alias" String="n"/><PropertyValue Property="Name" PropertyPath="accountnumber"/></Record>
      <Record Type="OData.Community.Keys.V1.PropertyRef"><PropertyValue Property="Alias" String="c"/><PropertyValue Property="Name" PropertyPath="_msdyn_company_value"/></Record>
     </Collection></PropertyValue>
    </Record></Collection></Annotation>
   </EntityType>
   <EntityType Name="cdm_company" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="cdm_companyid"/></Key><Property Name="cdm_companyid" Type="Edm.Guid"/></EntityType>
   <EntityContainer Name="System">
    <EntitySet Name="accounts" EntityType="Microsoft.Dynamics.CRM.account"/>
    <EntitySet Name="cdm_companies" EntityType="Microsoft.Dynamics.CRM.cdm_company"/>
   </EntityContainer>
   <Annotations Target="mscrm.account/versionnumber"><Annotation Term="Org.OData.Core.V1.Computed"/></Annotations>
   <Annotations Target="mscrm.crmbaseentity/versionnumber"><Annotation Term="Org.OData.Core.V1.Computed"/></Annotations>
  </Schema>
 </edmx:DataServices></edmx:Edmx>"#;

fn read(text: &str) -> Schema {
    csdl::parse(text).expect("the metadata is well formed")
}

/// `name: type`, with the marks.
fn fields(entity: &Entity) -> Vec<String> {
    let mark = |is: bool, word: &str| if is { format!(" {word}") } else { String::new() };
    let line = |it: &dwmap::schema::Field| {
        let null = if it.nullable { "?" } else { "" };
        format!("{}: {}{null}{}{}", it.name, it.kind, mark(it.readonly, "readonly"), mark(it.modified, "modified"))
    };
    entity.fields.values().map(line).collect()
}

#[test]
fn finance_and_operations_entities_have_the_names_of_their_sets() {
    let schema = read(FINOPS);
    let customer = &schema.entities["CustomersV3"];
    assert_eq!(
        (customer.key.join(","), customer.set.as_deref(), customer.partition.as_deref()),
        ("dataAreaId,CustomerAccount".into(), None, Some("dataAreaId"))
    );
    let expected = [
        "dataAreaId: text<4>",
        "CustomerAccount: text",
        "CreditLimit: decimal<38,16>",
        "Rate: decimal<20,6>?",
        "Whole: decimal<9,0>?",
        "Note: text?",
        "IsBlocked: enum NoYes?",
        "FullName: text? readonly",
        "Free: text?",
        "Shown: text? readonly",
        "ModifiedDateTime: datetime? readonly modified",
    ];
    assert_eq!(fields(customer), expected);
}

#[test]
fn enums_are_closed_sets_of_symbols_and_flags_are_none() {
    let schema = read(FINOPS);
    assert_eq!(schema.enums.keys().collect::<Vec<_>>(), ["NoYes"]);
    assert!(!schema.enums["NoYes"].open);
    assert_eq!(schema.enums["NoYes"].members[1].value, dwmap::value::Value::text("Yes"));
}

#[test]
fn dataverse_lookups_are_one_field_with_all_their_targets() {
    let schema = read(DATAVERSE);
    let account = &schema.entities["account"];
    let expected = [
        "versionnumber: int64? readonly",
        "accountid: guid?",
        "accountnumber: text?",
        "modifiedon: datetime? readonly modified",
        "customertypecode: int32?",
        "msdyn_company: lookup cdm_company?",
        "parentcustomerid: lookup account | cdm_company?",
        "_orphan_value: guid?",
    ];
    assert_eq!(fields(account), expected);
    assert_eq!(account.set.as_deref(), Some("accounts"));
    assert_eq!(account.key, ["accountid"]);
    assert_eq!(account.unique, [["accountnumber", "msdyn_company"]]);
}

#[test]
fn broken_metadata_names_its_line_and_never_panics() {
    let wrap = |body: &str| format!("<Edmx>\n<DataServices>\n<Schema Namespace=\"N\">\n{body}</Schema></DataServices></Edmx>");
    let set = "<EntityContainer><EntitySet Name=\"As\" EntityType=\"N.A\"/></EntityContainer>";
    let cases = [
        ("".to_owned(), 1, "no `<Edmx>`"),
        ("{\"error\": 1}".to_owned(), 1, "no `<Edmx>`"),
        ("<html><body/></html>".to_owned(), 1, "no `<Edmx>`"),
        ("<Edmx>\n<DataServices>".to_owned(), 2, "never closed"),
        ("<Edmx>\n</Wrong>".to_owned(), 2, "Wrong"),
        (wrap(set), 4, "no entity type `N.A`"),
        (wrap(&format!("<EntityType Name=\"A\" BaseType=\"N.A\"/>{set}")), 4, "or is its own"),
        (wrap(&format!("<EntityType Name=\"A\">\n<Property Name=\"p\"/></EntityType>{set}")), 5, "has no `Type`"),
        (
            wrap(&format!(
                "<EntityType Name=\"A\">\n<Property Name=\"p\" Type=\"Edm.String\" MaxLength=\"many\"/></EntityType>{set}"
            )),
            5,
            "not `many`",
        ),
        (wrap(&format!("<EntityType Name=\"A\"><Key><PropertyRef Name=\"id\"/></Key></EntityType>{set}")), 4, "key of `id`"),
        ("<Edmx>".repeat(csdl::DEPTH_MAX + 1), 1, "nested deeper"),
    ];
    for (text, line, part) in cases {
        let error = csdl::parse(&text).expect_err(part);
        assert!(error.message.contains(part), "{error}");
        assert_eq!(error.line, line, "{error}");
    }
}

#[test]
fn cut_metadata_is_an_error_at_every_length() {
    for (at, _) in DATAVERSE.char_indices().step_by(7) {
        assert!(csdl::parse(&DATAVERSE[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_snapshot_of_metadata_reads_back_and_is_written_the_same_again() {
    for (text, system) in [(FINOPS, "fo"), (DATAVERSE, "dv")] {
        let schema = read(text);
        let written = snapshot::to_json(&schema, system, "test");
        let back = snapshot::parse(&written).expect("what was written can be read");
        assert_eq!(back, schema);
        assert_eq!(snapshot::to_json(&back, system, "test"), written);
    }
}

#[test]
fn the_lock_is_read_back_and_is_stable() {
    let mut lock = Lock::default();
    lock.set("schemas/fo.json", "{}");
    lock.set("schemas/dv.json", "{ }");
    let text = lock.format();
    assert_eq!(Lock::parse(&text), Ok(lock.clone()));
    assert_eq!(Lock::parse(&text).expect("read above").format(), text);
    assert_eq!(lock.verify("schemas/fo.json", "{}"), Ok(()));
}

#[test]
fn the_lock_says_what_differs() {
    let mut lock = Lock::default();
    lock.set("fo.json", "{}");
    assert!(matches!(lock.verify("fo.json", "{} "), Err(LockError::Changed { path, .. }) if path == "fo.json"));
    assert!(matches!(lock.verify("dv.json", "{}"), Err(LockError::Missing { path }) if path == "dv.json"));
    assert_eq!(Lock::parse("format_version = 9"), Err(LockError::Format { found: 9 }));
    assert!(matches!(Lock::parse("format_version = "), Err(LockError::Unreadable { .. })));
}
