//! The contract of every connector.

use crate::rig::Shop;
use duet_sql::Product;

duet_testkit::connector_contract_tests!([
    Shop::items(Product::Postgres).await,
    Shop::items(Product::Sqlite).await,
]);
