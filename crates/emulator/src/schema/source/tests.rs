//! Metadata files, right and wrong.

use std::fs;

use super::{super::Schema, *};

const FIELD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CustomField xmlns="http://soap.sforce.com/2006/04/metadata">"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, body) in files {
        let path = folder.path().join("objects").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, body).unwrap();
    }
    folder
}

fn one_field(body: &str) -> Result<Field, String> {
    let body = format!("{FIELD}<fullName>X__c</fullName>{body}</CustomField>");
    let folder = folder(&[("Account/fields/X__c.field-meta.xml", &body)]);
    let schema = Schema::load(Some(folder.path())).map_err(|error| error.to_string())?;
    let account = &schema.objects[schema.builtin("Account")];
    Ok(account.fields[account.find("x__C").unwrap()].clone())
}

#[test]
fn fields_of_every_type_are_read() {
    let unique = one_field(
        "<type>Text</type><length>20</length><unique>true</unique><externalId>true</externalId>",
    )
    .unwrap();
    assert!(unique.unique && unique.external_id && !unique.case_sensitive);
    assert_eq!(unique.length, 20);
    let number = one_field("<type>Number</type><precision>8</precision><scale>3</scale>").unwrap();
    assert_eq!((number.precision, number.scale), (8, 3));
    let yes = one_field("<type>Checkbox</type><defaultValue>true</defaultValue>").unwrap();
    assert_eq!(yes.default, Cell::Bool(true));
    let list = one_field(
        "<type>Picklist</type><valueSet><restricted>true</restricted><valueSetDefinition>
        <value><fullName>A</fullName></value><value><fullName>B</fullName><default>true</default>
        </value></valueSetDefinition></valueSet>",
    )
    .unwrap();
    assert!(list.restricted);
    assert_eq!(list.default, Cell::Text("B".to_owned()));
    for plain in ["TextArea", "Email", "Phone", "Url", "Currency", "Percent", "Date", "DateTime"] {
        one_field(&format!("<type>{plain}</type>")).unwrap();
    }
    let long = one_field("<type>LongTextArea</type><length>5000</length>").unwrap();
    assert!(!long.filterable());
    let lookup = one_field("<type>Lookup</type><referenceTo>contact</referenceTo>").unwrap();
    assert_eq!(lookup.target.unwrap().object, "Contact");
}

#[test]
fn a_wrong_file_is_named_with_its_element() {
    for (body, element) in [
        ("", "type"),
        ("<type>Formula</type>", "type"),
        ("<type>Text</type>", "length"),
        ("<type>Text</type><length>256</length>", "length"),
        ("<type>Number</type><precision>19</precision>", "precision"),
        ("<type>Number</type><precision>2</precision><scale>3</scale>", "scale"),
        ("<type>Checkbox</type><required>maybe</required>", "required"),
        ("<type>Checkbox</type><defaultValue>TODAY()</defaultValue>", "defaultValue"),
        ("<type>Checkbox</type><unique>true</unique>", "type"),
        ("<type>Picklist</type>", "valueSet"),
        ("<type>Lookup</type>", "referenceTo"),
        ("<type>Lookup</type><referenceTo>No__c</referenceTo>", "referenceTo"),
    ] {
        let message = one_field(body).unwrap_err();
        assert!(message.contains("X__c.field-meta.xml"), "{message}");
        assert!(message.contains(&format!("<{element}>")), "{body}: {message}");
    }
    assert!(one_field("<type>").unwrap_err().contains("not well-formed"));
}

#[test]
fn an_object_comes_with_its_master_detail_field() {
    let detail = format!(
        "{FIELD}<fullName>Account__c</fullName><type>MasterDetail</type>
        <referenceTo>Account</referenceTo><relationshipName>Visits</relationshipName></CustomField>"
    );
    let object = "<CustomObject><label>Visit</label><pluralLabel>Visits</pluralLabel>
        <nameField><label>No</label><type>AutoNumber</type></nameField></CustomObject>";
    let files = [
        ("Visit__c/Visit__c.object-meta.xml", object),
        ("Visit__c/fields/Account__c.field-meta.xml", &detail),
    ];
    let schema = Schema::load(Some(folder(&files).path())).unwrap();
    let visit = &schema.objects[schema.find("visit__c").unwrap()];
    assert!(visit.prefix.starts_with('a') && visit.prefix.len() == 3);
    let field = &visit.fields[visit.relationship("account__R").unwrap()];
    assert!(field.required && field.target.as_ref().unwrap().master);
    let nowhere = [("Visit__c/fields/Account__c.field-meta.xml", detail.as_str())];
    let error = Schema::load(Some(folder(&nowhere).path())).unwrap_err();
    assert!(error.to_string().contains("Visit__c.object-meta.xml"), "{error}");
}
