//! What only a server has: rights, schemas, transactions side by side, connections that break.

mod capture;
mod describing;
mod detect;
mod reading;
mod watched;
mod writing;
