//! The running program: its commands, signals, log and settings, and what they change in the answers of the HTTP contract.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod calibration;
#[cfg(test)]
mod centred_scale;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cohort_scale;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod json_output;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod live_measurement;
#[cfg(test)]
mod liveness;
#[cfg(test)]
mod log;
#[cfg(test)]
mod management;
#[cfg(test)]
mod people;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod status;
#[cfg(test)]
mod template_keys;
#[cfg(test)]
mod template_remains;
#[cfg(test)]
mod tinted_people;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod turns;
