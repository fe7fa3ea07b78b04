//! The SQL connector against a real server and a real file: the contract of every connector, and what
//! is special about tables. Each test has a database of its own.

mod capture;
mod contract;
mod describing;
mod detect;
mod file;
mod reading;
mod rig;
mod server;
mod watched;
mod writing;
