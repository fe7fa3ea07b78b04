//! The connector against the emulator (what it promises), and against made-up answers (what it does
//! with answers that the emulator doesn't give).

mod contract;
mod creates;
mod deletes;
mod describe;
mod detect;
mod fields;
mod halfway;
mod late;
mod made_up;
mod org;
mod reads;
mod refusals;
mod sign_in;
mod updates;
