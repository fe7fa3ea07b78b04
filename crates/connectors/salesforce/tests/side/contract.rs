//! The promises that every connector gives, run on an emulated org.

use crate::org::Org;
use async_trait::async_trait;
use duet_core::id::{Column, RecordId};
use duet_core::image::Image;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Connector};
use duet_testkit::connector_contract::ConnectorRig;
use duet_testkit::wait::wait_until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Rig {
    org: Org,
    accounts: Collection,
}

impl Rig {
    async fn start() -> Rig {
        let org = Org::start().await;
        let accounts = org.accounts(&["Name", "Site", "Ext__c"]).await;
        Rig { org, accounts }
    }
}

#[async_trait(?Send)]
impl ConnectorRig for Rig {
    async fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.org.connect(json!({ "poll": "100ms" })))
    }

    fn collection(&self) -> Collection {
        self.accounts.clone()
    }

    fn text(&self) -> Column {
        "Name".into()
    }

    fn other(&self) -> Column {
        "Site".into()
    }

    async fn create(&self, text: &str) -> RecordId {
        self.org.account(json!({ "Name": text })).await
    }

    async fn edit(&self, record: &RecordId, column: &Column, text: &str) {
        self.org.edit(record, json!({ column.as_str(): text })).await;
    }

    async fn delete(&self, record: &RecordId) {
        self.org.delete(record).await;
    }

    async fn count(&self) -> usize {
        let page = self.org.side.scan(&self.accounts, None, 1).await.expect("a page");
        usize::try_from(page.estimate.expect("a count")).expect("few")
    }

    fn new_record(&self, number: u32) -> (Image, Option<(Column, Value)>) {
        let key = (Column::from("Ext__c"), Value::text(format!("n-{number}")));
        let name = ("Name".into(), Value::text(format!("number {number}")));
        (Image::from([name, key.clone()]), Some(key))
    }

    fn refused(&self) -> Value {
        Value::text("x".repeat(300))
    }

    /// Until nothing of now can share its second with what comes.
    async fn ripen(&self) {
        let then = self.org.side.now().plus(2 * Stamp::SECOND);
        wait_until(Duration::from_secs(60), "two seconds are over", || async {
            self.org.side.now() >= then
        })
        .await;
    }
}

duet_testkit::connector_contract_tests!([Rig::start().await]);
