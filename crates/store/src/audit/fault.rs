use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::{recorded_rows::RowFault, row::AuditRow};
use crate::clients::signature::ClientSignature;

/// Evidence that the trail, or the table of clients or of operators, was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFault {
    /// The row is not the one that was written.
    Changed(RowLocation),
    /// The row's person, or the id of its request, is not the one that was written.
    PersonChanged(RowLocation),
    /// Rows within a chain are missing.
    Missing {
        /// The first missing row.
        first: RowLocation,
        /// The number of the next row that exists.
        next: i64,
    },
    /// The first row of a chain that has neither a beginning nor an anchor.
    NoBeginning(RowLocation),
    /// A row that is known to have been written is missing, with all later rows of its chain.
    CutOff(RowLocation),
    /// The beginning of a chain is not the one that was written.
    BeginningChanged(Uuid),
    /// An anchor was not signed with an audit key.
    AnchorForged(Uuid),
    /// An anchor is signed and cannot be true: its month was too young when it was pruned, its chain began after that
    /// month, or the chain goes on within that month.
    AnchorImplausible {
        /// The chain.
        writer: Uuid,
        /// The month that the anchor names, as yyyy-mm.
        month: String,
    },
    /// The end of a chain was not signed with an audit key.
    EndForged(Uuid),
    /// A row was signed with a key that is not among the audit keys.
    UnknownKey {
        /// The row.
        row: RowLocation,
        /// The id of the key.
        key_id: String,
    },
    /// The row's person was removed without a signature of an audit key.
    PersonRemoved(RowLocation),
    /// The rows of a month from which a step removed a person are not those that the step announced.
    StepDiffers {
        /// The row that announces the step.
        announcement: RowLocation,
        /// The month, as yyyy-mm.
        month: String,
        /// The number of rows that were announced.
        announced: u64,
        /// The number of rows that name the step.
        found: u64,
    },
    /// Older releases removed the person from more rows than they announced.
    Unannounced {
        /// The number of rows without their person.
        rows: u64,
        /// The announced number.
        announced: u64,
    },
    /// The row of a client is not one that Padan wrote.
    ClientChanged {
        /// The name in the row.
        name: String,
        /// What is wrong with its signature.
        signature: ClientSignature,
    },
    /// Somebody restored an older row of a client.
    ClientRolledBack {
        /// The client.
        name: String,
        /// When the client was last changed or removed, by the trail.
        from: DateTime<Utc>,
        /// When the row that exists was written.
        to: DateTime<Utc>,
    },
    /// The row of a client is signed, and the trail records no such change.
    ClientUnrecorded {
        /// The client.
        name: String,
        /// When the row was written.
        changed_at: DateTime<Utc>,
    },
    /// The row of a client is missing, and the trail does not record its removal.
    ClientMissing(String),
    /// The row of an operator is not the one that the trail records.
    Operator {
        /// The name in the row.
        name: String,
        /// What is wrong with the row.
        fault: RowFault,
    },
    /// The active model set is not the one that the trail records last.
    ModelUnrecorded {
        /// The set that the trail records.
        recorded: String,
        /// The active set; `None` when there is none.
        active: Option<String>,
    },
    /// The row of the shadow model set is not one that Padan wrote, or its key is unknown.
    ShadowChanged,
    /// The shadow model set is not the one that the trail records last, or its share of the requests is another one.
    ShadowUnrecorded {
        /// The set that the trail records; `None` when it records the end of a measurement.
        recorded: Option<String>,
        /// The set in the store; `None` when there is none.
        stored: Option<String>,
    },
    /// The active calibration of a model set is not the one that the trail records last.
    CalibrationUnrecorded {
        /// The model set.
        model_set: String,
    },
}

/// Identifies a row of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLocation {
    /// The chain.
    pub writer: Uuid,
    /// The row's number in the chain.
    pub sequence: i64,
    /// The row's time, where it is known.
    pub at: Option<DateTime<Utc>>,
    /// The request's id, where it is known.
    pub request_id: Option<String>,
}

impl RowLocation {
    pub(super) fn of(row: &AuditRow) -> Self {
        Self {
            writer: row.writer,
            sequence: row.sequence,
            at: Some(row.at),
            request_id: row.request_id.clone(),
        }
    }
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of chain {}", self.sequence, self.writer)?;
        if let Some(at) = &self.at {
            write!(f, " at {}", moment(at))?;
        }
        match &self.request_id {
            Some(id) => write!(f, ", request {id}"),
            None => Ok(()),
        }
    }
}

impl AuditFault {
    /// Whether something was added that Padan did not write, which many roles can do. Other faults may mean that something
    /// is gone.
    pub(crate) fn is_addition(&self) -> bool {
        matches!(
            self,
            Self::BeginningChanged(_) | Self::AnchorForged(_) | Self::EndForged(_) | Self::UnknownKey { .. }
        )
    }

    pub(super) fn of_client(name: String, fault: RowFault) -> Self {
        match fault {
            RowFault::Changed(signature) => Self::ClientChanged { name, signature },
            RowFault::RolledBack { from, to } => Self::ClientRolledBack { name, from, to },
            RowFault::Unrecorded(changed_at) => Self::ClientUnrecorded { name, changed_at },
            RowFault::Missing => Self::ClientMissing(name),
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(row) => write!(f, "{row}: it was changed"),
            Self::PersonChanged(row) => write!(f, "{row}: its person or request id was changed"),
            Self::PersonRemoved(row) => {
                write!(f, "{row}: its person was removed without a valid signature")
            }
            Self::Missing { first, next } => {
                write!(f, "{first}: it is missing, and the next existing row is {next}")
            }
            Self::NoBeginning(row) => write!(f, "{row}: its chain has no beginning"),
            Self::CutOff(row) => {
                write!(f, "{row}: it was written and is missing, with all later rows of the chain")
            }
            Self::BeginningChanged(writer) => {
                write!(f, "chain {writer}: its beginning was changed, or its key is unknown")
            }
            Self::AnchorForged(writer) => {
                write!(f, "chain {writer}: its anchor is forged, or its key is unknown")
            }
            Self::AnchorImplausible { writer, month } => write!(
                f,
                "chain {writer}: its anchor says that {month} was pruned, which its other rows or the time of the \
                 pruning contradict"
            ),
            Self::EndForged(writer) => {
                write!(f, "chain {writer}: its recorded end is forged, or its key is unknown")
            }
            Self::StepDiffers { announcement, month, announced, found } => write!(
                f,
                "{announcement}: it announces {announced} rows of {month} without their person, and there are {found}, \
                 or other ones"
            ),
            Self::UnknownKey { row, key_id } => {
                write!(f, "{row}: its key {key_id} is not among store.audit_keys")
            }
            Self::ClientChanged { name, signature } => {
                write!(f, "client {name}: its row in store.client {signature}")
            }
            Self::ClientRolledBack { name, from, to } => write!(
                f,
                "client {name}: its row in store.client is of {}, and it was changed or removed at {}",
                moment(to),
                moment(from)
            ),
            Self::ClientUnrecorded { name, changed_at } => write!(
                f,
                "client {name}: its row in store.client is of {}, and the trail records no such change",
                moment(changed_at)
            ),
            Self::ClientMissing(name) => {
                write!(f, "client {name}: it is not in store.client, and the trail records no removal")
            }
            Self::Operator { name, fault } => write!(f, "operator {name}: {}", operator_fault(fault)),
            Self::ModelUnrecorded { recorded, active } => write!(
                f,
                "the active model set is {}, and the trail records last that {recorded} was activated, or the same set \
                 with another contract",
                active.as_deref().unwrap_or("none")
            ),
            Self::ShadowChanged => {
                write!(f, "the row in store.shadow_model is not one that Padan wrote, or its key is unknown")
            }
            Self::ShadowUnrecorded { recorded, stored } => write!(
                f,
                "the shadow model set in the store is {}, and the trail records last {}, or the same set with another \
                 contract or share",
                stored.as_deref().unwrap_or("none"),
                recorded.as_deref().unwrap_or("none")
            ),
            Self::CalibrationUnrecorded { model_set } => {
                write!(f, "the active calibration of {model_set} is not the one that the trail records last")
            }
            Self::Unannounced { rows, announced } => {
                write!(f, "the person was removed from {rows} rows, and only {announced} were announced")
            }
        }
    }
}

fn operator_fault(fault: &RowFault) -> String {
    match fault {
        RowFault::Changed(signature) => format!("its row in store.operator {signature}"),
        RowFault::RolledBack { from, to } => format!(
            "its row in store.operator is of {}, and it was changed or removed at {}",
            moment(to),
            moment(from)
        ),
        RowFault::Unrecorded(changed_at) => format!(
            "its row in store.operator is of {}, and the trail records no such change",
            moment(changed_at)
        ),
        RowFault::Missing => "it is not in store.operator, and the trail records no removal".to_owned(),
    }
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
