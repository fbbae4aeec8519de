//! The store on a real PostgreSQL: its data, its migrations and its failures.

#[cfg(test)]
mod absent_people;
#[cfg(test)]
mod administration;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_attacks;
#[cfg(test)]
mod audit_forgery;
#[cfg(test)]
mod audit_threats;
#[cfg(test)]
mod audit_vouching;
#[cfg(test)]
mod citus;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cohort;
#[cfg(test)]
mod cpu_use;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod live;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod poolers;
#[cfg(test)]
mod pruning;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod template_sample;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod trials;
