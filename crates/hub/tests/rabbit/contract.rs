//! The hub's contract on a RabbitMQ that tests share: each case has a virtual host of its own.

use crate::rig;

use duet_testkit::hub_contract::{delivering, losing, publishing, topology};

macro_rules! cases {
    ($($module:ident :: $case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $module::$case(&rig::shared().await).await;
            }
        )+
    };
}

cases! {
    topology::declaring_again_changes_nothing,
    topology::every_queue_exists,
    topology::other_settings_are_reported,
    topology::a_purge_leaves_nothing_stuck,
    publishing::confirmed_messages_arrive_in_order,
    publishing::every_kind_arrives_unchanged,
    publishing::an_unroutable_message_is_told,
    publishing::calls_at_once_keep_their_results,
    publishing::a_full_queue_refuses,
    publishing::a_message_too_long_is_told,
    publishing::wake_ups_arrive_and_never_wait,
    delivering::next_takes_what_is_there,
    delivering::prefetch_bounds_what_is_out,
    delivering::what_is_not_acknowledged_comes_again,
    delivering::what_is_given_back_comes_again,
    delivering::an_undecodable_body_is_handed_over,
    delivering::poison_ends_among_the_dead,
    delivering::a_partition_is_handed_over,
    delivering::a_partition_is_given_up_without_loss,
    delivering::wake_ups_are_shared,
    losing::a_cut_makes_tags_stale,
    losing::a_lost_confirm_is_unknown,
    losing::a_cut_while_publishing_loses_nothing,
    losing::cuts_at_random_lose_nothing,
    losing::a_deleted_queue_is_made_again,
}
