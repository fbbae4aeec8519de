//! The registry against a real PostgreSQL: what it answers, and how it fails.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod lookups;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod standby;
