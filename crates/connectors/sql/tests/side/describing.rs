//! What the description tells of columns, rights and promises.

use crate::rig::{Shop, on_both};
use duet_core::spec::PathClass;
use duet_ports::connector::Connector;
use duet_sql::Product;

async fn the_class_follows_from_the_capture(product: Product) {
    let mut shop = Shop::bare(product, crate::rig::items(product), "items").await;
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    assert_eq!((about.guarded, about.batch, about.marker), (PathClass::K2, PathClass::K2, false));
    assert!(about.remarks.iter().any(|it| it.fatal && it.text.contains("duet capture install")));
    shop.install().await;
    let about = shop.side.describe(&shop.collection).await.expect("the table is there");
    assert_eq!((about.guarded, about.batch, about.marker), (PathClass::K3, PathClass::K3, true));
    assert!(about.remarks.is_empty(), "{:?}", about.remarks);
    assert!(about.skew_us.abs() < 5_000_000);
}

async fn a_filter_that_cannot_be_used_is_told(product: Product) {
    let mut shop = Shop::items(product).await;
    for (filter, word) in [("no_such_column > 1", "no_such_column"), ("title >", "syntax")] {
        shop.collection.filter = Some(filter.to_owned());
        let about = shop.side.describe(&shop.collection).await.expect("the table is there");
        let told = about.remarks.iter().find(|it| it.fatal).expect("it is told");
        assert!(told.text.contains(word), "{}", told.text);
    }
}

on_both!(the_class_follows_from_the_capture, a_filter_that_cannot_be_used_is_told);
