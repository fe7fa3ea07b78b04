//! The SQL connector against a real PostgreSQL: the contract of every connector, and what is
//! special about tables. Each test has a database of its own.

mod capture;
mod contract;
mod describing;
mod detect;
mod reading;
mod rig;
mod watched;
mod writing;
