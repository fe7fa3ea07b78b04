//! What the connector tells of a collection.

use crate::org::{Org, bare};
use duet_core::id::Column;
use duet_core::retry::FailureClass;
use duet_core::spec::PathClass;
use duet_core::value::ValueType;
use duet_ports::connector::{Connector, NO_COLLECTION};

#[tokio::test]
async fn an_account_is_described_with_its_classes() {
    let org = Org::start().await;
    let told = org.side.describe(&bare("Account")).await.unwrap();
    assert_eq!(told.key, [Column::from("Id")]);
    assert_eq!(told.unique, [Column::from("Ext__c")]);
    assert_eq!(told.key_column, Some(Column::from("Duet_Key__c")));
    assert_eq!((told.marker, told.guarded, told.batch), (true, PathClass::K3s, PathClass::K1p));
    assert_eq!((told.grain_us, told.skew_us), (1_000_000, 0));
    assert!(told.may.create && told.may.update && told.may.delete);
    assert!(told.remarks.is_empty(), "{:?}", told.remarks);
    let column = |name: &str| &told.columns[&Column::from(name)];
    assert!(!column("Name").nullable && column("OwnerId").nullable);
    assert_eq!(column("Name").max_length, Some(255));
    assert!(column("Description").canon.line_ends);
    assert_eq!(column("Tags__c").kind, ValueType::Set);
    assert_eq!(column("Level__c").allowed.as_ref().map(Vec::len), Some(2));
    assert_eq!((column("Score__c").scale, column("Score__c").kind), (Some(2), ValueType::Decimal));
    assert!(!column("SystemModstamp").updateable && !column("Id").createable);
    assert!(!told.columns.contains_key(&Column::from("BillingAddress")));
}

#[tokio::test]
async fn without_the_marker_the_class_falls_and_a_remark_says_so() {
    let org = Org::start().await;
    let told = org.side.describe(&bare("Contact")).await.unwrap();
    assert_eq!((told.marker, told.guarded), (false, PathClass::K2));
    assert!(told.remarks.iter().any(|it| !it.fatal && it.text.contains("Duet_Write__c")));
}

#[tokio::test]
async fn a_filter_that_is_not_understood_is_fatal() {
    let org = Org::start().await;
    let mut collection = bare("Account");
    collection.filter = Some("Nonsense__c = 'x'".to_owned());
    let told = org.side.describe(&collection).await.unwrap();
    assert!(told.remarks.iter().any(|it| it.fatal && it.text.contains("Nonsense__c")));
    collection.filter = Some("Rating = 'Hot'".to_owned());
    assert!(org.side.describe(&collection).await.unwrap().remarks.is_empty());
}

#[tokio::test]
async fn columns_of_parents_may_be_read() {
    let org = Org::start().await;
    let mut collection = bare("Contact");
    let name =
        org.side.describe(&collection).await.unwrap().columns[&Column::from("Phone")].clone();
    collection.columns.insert("Account.Name".into(), name);
    let told = org.side.describe(&collection).await.unwrap();
    let column = &told.columns[&Column::from("Account.Name")];
    assert!(!column.createable && !column.updateable && column.nullable);
}

#[tokio::test]
async fn an_object_that_is_not_there_is_told() {
    let org = Org::start().await;
    let error = org.side.describe(&bare("Nothing__c")).await.unwrap_err();
    assert_eq!(
        (error.failure.class, error.failure.code.as_str()),
        (FailureClass::Permission, NO_COLLECTION)
    );
    assert!(error.failure.message.contains("Nothing__c"), "{}", error.failure.message);
    let error = org.side.describe(&bare("Account/../x")).await.unwrap_err();
    assert_eq!(error.failure.code, NO_COLLECTION);
}
