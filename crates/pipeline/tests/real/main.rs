//! The pipeline on real parts: PostgreSQL and RabbitMQ as they run, two sides in memory that
//! misbehave on purpose; some also on the hub in memory. Most tests call the steps themselves, in the order they want.

mod adopting;
mod bounds;
mod embedded;
mod failing;
mod flowing;
mod flows;
mod gaps;
mod hands;
mod keyed;
mod leaving;
mod looping;
mod merging;
mod parents;
mod passing;
mod poison;
mod positions;
mod protocol;
mod recovery;
mod rekeying;
mod reusing;
mod rig;
mod sharing;
mod strangers;
