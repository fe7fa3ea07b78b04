//! A write to the shop that is carried out while its answer is lost, for certain: a trigger of the
//! shop holds the commit back until the way between is cut.

use duet_testkit::servers::Proxy;
use duet_testkit::wait::wait_until;
use duet_tests::database;
use duet_tests::flows::CUSTOMERS;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::dice::Dice;
use crate::edits::Edits;
use crate::rig::{Rig, SOON};

/// The number of the lock that the shop's trigger asks for.
const LOCK: i64 = 20_240_506;

/// Who waits for the lock: only a commit can, as the trigger is asked then.
const WAITING: &str = "
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query = 'COMMIT'";

/// Edits a contact in the organization, and cuts the way to the shop while that is being committed
/// there. `duet run` must be running.
pub(crate) async fn lose_a_commit(rig: &Rig, way: &Proxy, edits: &mut Edits, dice: &mut Dice) {
    let (key, id) = loop {
        let key = edits.untouched(rig, &CUSTOMERS, dice).await.key;
        if let Some(id) = rig.agreed_partner(&CUSTOMERS, &key) {
            break (key, id);
        }
    };
    rig.sell(&trigger(&key)).await;
    let mut holder = PgConnection::connect(rig.shop.url()).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut holder).await.unwrap();
    edits.made += 1;
    let contact = json!(format!("Lost {}", edits.made));
    let edit = json!({ "Contact_Name__c": contact });
    rig.salesforce.edit(CUSTOMERS.object, &id, edit).await.unwrap();
    wait_until(SOON, "the change is being committed", || waits(rig)).await;
    way.drop_connections();
    holder.close().await.unwrap();
    wait_until(SOON, "the commit is through", || async { !waits(rig).await }).await;
    wait_until(SOON, "the shop has it", || async {
        json!(rig.right(&CUSTOMERS, &key, "Contact_Name__c").await) == contact
    })
    .await;
    rig.sell("DROP FUNCTION held_back CASCADE").await;
    edits.values.insert(("customers", key, "Contact_Name__c"), contact);
}

/// However long it takes, the lock is waited for.
fn trigger(key: &str) -> String {
    format!(
        "CREATE FUNCTION held_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM set_config('lock_timeout', '0', true);
            PERFORM pg_advisory_xact_lock_shared({LOCK});
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER held_back AFTER UPDATE ON customers
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.customer_id = '{key}')
            EXECUTE FUNCTION held_back()"
    )
}

async fn waits(rig: &Rig) -> bool {
    !database::rows(rig.shop.url(), WAITING).await.unwrap().is_empty()
}
