//! Describes, and fields and objects from metadata.

use duet_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::{field, metadata, object, start, start_with_metadata};

const KEYS: &str = "aggregatable aiPredictionField autoNumber byteLength calculated \
    calculatedFormula cascadeDelete caseSensitive compoundFieldName controllerName createable \
    custom defaultValue defaultValueFormula defaultedOnCreate dependentPicklist \
    deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo \
    filterable filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber \
    htmlFormatted idLookup inlineHelpText label length mask maskType name nameField namePointing \
    nillable permissionable picklistValues polymorphicForeignKey precision queryByDistance \
    referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete \
    restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable \
    writeRequiresMasterRead";

fn entry<'a>(describe: &'a Value, name: &str) -> &'a Value {
    let fields = describe["fields"].as_array().unwrap();
    fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn the_list_of_objects_has_no_fields() {
    let client = start().await;
    let (_, body) = client.get("/sobjects").await;
    assert_eq!(body["maxBatchSize"], 200);
    let objects = body["sobjects"].as_array().unwrap();
    for name in
        ["Account", "Contact", "Product2", "Pricebook2", "PricebookEntry", "Order", "OrderItem"]
    {
        let one = objects.iter().find(|one| one["name"] == name).unwrap();
        assert!(
            one.get("fields").is_none() && one["queryable"] == true && one["updateable"] == true
        );
        let (_, describe) = client.get(one["urls"]["describe"].as_str().unwrap()).await;
        assert_eq!(describe["keyPrefix"], one["keyPrefix"]);
        let ext = entry(&describe, "Ext__c");
        for (key, value) in [
            ("unique", json!(true)),
            ("externalId", json!(true)),
            ("idLookup", json!(true)),
            ("caseSensitive", json!(false)),
            ("length", json!(64)),
            ("custom", json!(true)),
        ] {
            assert_eq!(ext[key], value, "{name} {key}");
        }
        for system in ["Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            assert_eq!(entry(&describe, system)["updateable"], false);
        }
    }
}

#[tokio::test]
async fn every_field_has_every_key() {
    let client = start().await;
    let (_, describe) = client.get("/sobjects/account/describe").await;
    for one in describe["fields"].as_array().unwrap() {
        for key in KEYS.split_whitespace() {
            assert!(one.get(key).is_some(), "{} lacks {key}", one["name"]);
        }
    }
    let name = entry(&describe, "Name");
    assert_eq!((&name["nillable"], &name["defaultedOnCreate"]), (&json!(false), &json!(false)));
    let parent = entry(&describe, "ParentId");
    assert_eq!(
        (&parent["referenceTo"], &parent["relationshipName"]),
        (&json!(["Account"]), &json!("Parent"))
    );
    assert_eq!(entry(&describe, "BillingCity")["compoundFieldName"], "BillingAddress");
    let children = describe["childRelationships"].as_array().unwrap();
    let contacts = children.iter().find(|child| child["childSObject"] == "Contact").unwrap();
    assert_eq!(
        (&contacts["relationshipName"], &contacts["cascadeDelete"]),
        (&json!("Contacts"), &json!(true))
    );
}

#[tokio::test]
async fn metadata_adds_fields_and_objects() {
    let values =
        ["A", "B", "C"].map(|v| format!("<value><fullName>{v}</fullName></value>")).concat();
    let tags = format!(
        "<type>MultiselectPicklist</type><valueSet><restricted>true</restricted>\
         <valueSetDefinition>{values}</valueSetDefinition></valueSet>"
    );
    let code = "<type>Text</type><length>9</length><externalId>true</externalId>\
                <caseSensitive>true</caseSensitive>";
    let product = "<type>Lookup</type><referenceTo>Product2</referenceTo>";
    let stock = "<type>Number</type><precision>6</precision><scale>0</scale>";
    let client = start_with_metadata(&[
        field("Product2", "Stock__c", stock),
        field("Product2", "Tags__c", &tags),
        object("Depot__c"),
        field("Depot__c", "Code__c", code),
        field("Depot__c", "Product__c", product),
    ])
    .await;

    let record = json!({ "Name": "p", "Stock__c": 7.4, "Tags__c": "C;A;C" });
    let id = client.create("Product2", record).await;
    let (_, row) = client.get(&format!("/sobjects/Product2/{id}?fields=Stock__c,Tags__c")).await;
    assert_eq!((&row["Stock__c"], &row["Tags__c"]), (&json!(7.0), &json!("A;C")));
    let (_, found) = client
        .query("SELECT Id FROM Product2 WHERE Tags__c INCLUDES ('A;C') AND Tags__c EXCLUDES ('B')")
        .await;
    assert_eq!(found["totalSize"], 1);
    for (record, code) in [
        (json!({ "Stock__c": 1_000_000 }), "NUMBER_OUTSIDE_VALID_RANGE"),
        (json!({ "Tags__c": "A;X" }), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ] {
        let (_, body) = client.call("PATCH", &format!("/sobjects/Product2/{id}"), record).await;
        assert_eq!(body[0]["errorCode"], code);
    }

    // Not unique, and with regard to case: two records may be meant.
    for code in ["x", "x", "X"] {
        client.create("Depot__c", json!({ "Name": "d", "Code__c": code, "Product__c": id })).await;
    }
    let (status, urls) = client.get("/sobjects/Depot__c/Code__c/x").await;
    assert_eq!((status, urls.as_array().unwrap().len()), (300, 2));
    let path = "/sobjects/Depot__c/Code__c/x";
    assert_eq!(client.call("PATCH", path, json!({ "Name": "e" })).await.0, 300);
    assert_eq!(client.get("/sobjects/Depot__c/Code__c/X").await.0, 200);
    let (_, found) = client.query("SELECT Product__r.Name FROM Depot__c WHERE Code__c = 'X'").await;
    assert_eq!(found["records"][0]["Product__r"]["Name"], "p");
}

#[tokio::test]
async fn wrong_metadata_stops_the_start() {
    let (path, body) = field("Account", "F__c", "<type>Magic</type>");
    let folder = metadata(&[(path.as_str(), body)]);
    let metadata = Some(folder.path().to_owned());
    let error = Emulator::start(Options { metadata, ..Options::default() }).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("F__c.field-meta.xml") && text.contains("<type>"), "{text}");
}
