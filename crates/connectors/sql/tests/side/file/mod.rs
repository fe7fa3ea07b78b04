//! What only a file has: columns that hold any value, replacing writes, one writer, a file that is
//! moved, missing or not a database.

mod capture;
mod mending;
mod outages;
mod replacing;
mod values;
mod watched;
mod writing;
