//! The contract of every connector.

duet_testkit::connector_contract_tests!([crate::rig::Shop::items().await]);
