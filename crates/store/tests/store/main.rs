//! The store against a real PostgreSQL: what it keeps, how its schema comes to be, and how it fails.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod templates;
