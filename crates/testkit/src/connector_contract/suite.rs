//! The contract as a whole: one macro makes its tests, so that no side leaves a promise out. Holds no
//! promise itself.

/// Makes one test per promise. Each runs on every rig that the expression gives, which it evaluates
/// anew for each promise: a rig is never shared.
///
/// ```ignore
/// duet_testkit::connector_contract_tests!([Rig::start().await]);
/// ```
#[macro_export]
macro_rules! connector_contract_tests {
    ($rigs:expr) => {
        $crate::connector_contract_tests! { @each $rigs;
            detect::every_outside_change_is_told,
            detect::a_backlog_is_told_in_readings_of_the_limit,
            detect::what_is_settled_is_not_told_again,
            detect::what_is_not_settled_is_told_again_after_a_restart,
            detect::a_head_is_reached_by_reading,
            detect::waiting_ends,
            detect::our_own_write_carries_its_marker,
            reading::a_collection_is_described,
            reading::a_missing_collection_is_an_error,
            reading::reads_answer_in_the_order_asked,
            reading::an_unknown_id_is_not_a_record,
            reading::versions_move_and_images_are_canonical,
            reading::searches_answer_in_the_order_asked,
            reading::a_scan_shows_every_record_once,
            writing::an_update_lands_and_leaves_its_marker,
            writing::a_stale_write_writes_nothing,
            writing::a_repeated_update_takes_no_effect,
            writing::a_repeated_create_makes_one_record,
            writing::a_create_never_overwrites,
            writing::neighbours_of_a_refused_record_pass,
            writing::a_delete_deletes,
            writing::an_update_of_a_deleted_record_is_gone,
        }
    };
    (@each $rigs:expr; $($topic:ident :: $case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                for rig in $rigs {
                    $crate::connector_contract::$topic::$case(&rig).await;
                }
            }
        )+
    };
}
