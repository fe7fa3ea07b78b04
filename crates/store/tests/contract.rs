//! The contract suite of the store, on PostgreSQL and on SQLite; one database for each case.

mod rig;

/// One test per case, under the case's own name.
macro_rules! suite {
    ($rig:ty; $($group:ident: $($case:ident),+ $(,)?;)+) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let rig = <$rig>::new().await;
                duet_testkit::store_contract::$group::$case(&rig).await;
            })+
        })+
    };
}

macro_rules! cases {
    ($($cases:tt)+) => {
        mod postgres {
            suite! { crate::rig::PostgresRig; $($cases)+ }
        }

        mod sqlite {
            suite! { crate::rig::SqliteRig; $($cases)+ }
        }
    };
}

cases! {
    locking:
        facts_are_read_after_the_wait, a_stale_verdict_is_refused, an_unlocked_link_is_refused,
        only_locked_links_are_touched, locks_are_taken_in_order, held_links_are_skipped_on_request,
        a_joined_link_is_left_out, aliases_change_hands;
    routing:
        each_record_has_one_link, two_first_meetings_are_one,
        a_meeting_that_is_rolled_back_leaves_nothing, former_ids_lead_to_their_link,
        a_create_seen_early_leads_to_its_link, a_copied_marker_leads_nowhere,
        a_marker_on_two_records_leads_one,
        a_create_under_a_used_id_leads_to_its_link,
        an_id_with_nul_is_refused;
    saving:
        a_verdict_comes_back_whole, what_is_taken_away_is_gone,
        what_is_remembered_counts_at_its_revision,
        a_second_verdict_in_one_transaction_counts, a_dropped_transaction_leaves_nothing,
        a_lost_connection_leaves_nothing, records_change_hands_in_one_batch,
        a_record_of_another_link_asks_for_another_try, open_intents_are_unique,
        an_intent_is_replaced_in_one_go, a_planned_intent_may_be_settled_at_once,
        settling_keeps_the_last_failure, decisions_are_written_once, attempts_are_kept,
        a_value_with_nul_is_refused;
    matching:
        claims_tell_who_holds_a_key, a_claim_wakes_the_other_holders,
        a_key_that_many_hold_is_told_in_part, claims_at_once_meet,
        claims_are_given_up, children_wake_when_their_parent_arrives, waits_end,
        waking_never_waits, parents_are_found, rivals_are_found, rivals_in_any_column_are_found,
        holders_are_found;
    sending:
        the_oldest_are_taken_first, only_what_is_due_is_taken, one_kind_at_a_time,
        reads_have_a_limit_of_their_own, other_flows_are_left_alone,
        no_intent_is_taken_twice, held_links_are_passed_over, paused_connections_are_skipped,
        what_is_given_back_is_planned, a_transaction_knows_what_rests,
        what_is_planned_as_sent_is_sent,
        writes_may_wait_for_company, overdue_calls_are_told,
        due_links_move_on_by_a_minute, held_links_stay_due;
    positions:
        leases_fence, one_of_many_gets_the_lease, processes_at_work_are_told,
        marks_are_passed_over,
        no_position_leaves_the_stored_one, an_older_token_is_refused,
        a_successor_is_seen_by_its_lease, a_mark_is_part_of_its_transaction, sources_are_told,
        poison_is_counted, flow_states_are_kept, adopting_leaves_a_pause,
        the_first_noted_keys_stay,
        migrating_is_safe_at_once_and_twice;
    letters:
        dead_letters_are_kept, a_person_handles_dead_letters, a_later_look_ends_a_dead_letter,
        a_version_dies_once;
    people:
        a_decision_is_stored, a_stale_decision_is_refused, of_two_persons_the_first_wins,
        a_decision_gives_way_to_one_that_names_it, a_decision_and_a_verdict_take_turns,
        a_conflict_is_closed_by_hand, an_intent_is_set_by_hand;
    field_errors:
        values_kept_back_are_listed, what_is_told_replaces_what_was,
        values_kept_back_are_part_of_their_transaction, a_joined_link_keeps_nothing_back;
    finding:
        conflicts_are_filtered, short_ids_find_their_rows, errors_are_filtered, a_flow_is_counted,
        what_waits_for_freshness_is_counted,
        what_is_under_way_is_told,
        a_child_is_due_when_its_parent_is_whole,
        candidates_that_wait_for_a_person_are_not_due,
        links_come_in_pages, a_link_is_told_whole;
}
