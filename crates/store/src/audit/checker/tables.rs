use padan_postgres::{Fault, Selection as _};
use sqlx::PgConnection;

use super::Checker;
use crate::{
    audit::{
        fault::AuditFault, recorded_model::ModelState, recorded_rows::SignedRow, recorded_shadow::ShadowState,
    },
    clients::row::client_columns,
    error::StoreError,
    models::{calibration_activation::digest, shadow::shadow_row},
    operators::row::operator_rows,
};

impl Checker<'_> {
    /// Compares the tables that operators change with what the verified rows record of them.
    pub(super) async fn compare_tables(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        self.check_clients(snapshot).await?;
        self.check_operators(snapshot).await?;
        self.check_model(snapshot).await?;
        self.check_shadow(snapshot).await?;
        self.check_calibrations(snapshot).await
    }

    /// Compares the table of clients with what the rows record of it.
    async fn check_clients(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let clients = client_columns(None).all(snapshot).await.map_err(|error| Fault::of(&error))?;
        let pruned_until = self.pruned_months.iter().max().map(|month| month.end());
        let recorded = std::mem::take(&mut self.clients);
        let rows = clients.into_iter().map(|client| SignedRow {
            signature: client.signature(self.keys),
            name: client.name,
            changed_at: client.changed_at,
            mac: client.mac,
        });
        for (name, fault) in recorded.faults(rows, pruned_until) {
            self.report_fault(AuditFault::of_client(name, fault));
        }
        Ok(())
    }

    /// Compares the table of operators with what the rows record of it.
    async fn check_operators(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let operators = operator_rows(None, None).all(snapshot).await.map_err(|error| Fault::of(&error))?;
        let pruned_until = self.pruned_months.iter().max().map(|month| month.end());
        let recorded = std::mem::take(&mut self.operators);
        let rows = operators.into_iter().map(|operator| SignedRow {
            signature: operator.signature(self.keys),
            name: operator.name,
            changed_at: operator.changed_at,
            mac: operator.mac,
        });
        for (name, fault) in recorded.faults(rows, pruned_until) {
            self.report_fault(AuditFault::Operator { name, fault });
        }
        Ok(())
    }

    /// Compares the active model set with the one that the rows record last.
    async fn check_model(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let row = sqlx::query!("SELECT model_set, contract_id, activated_at FROM store.active_model")
            .fetch_optional(snapshot)
            .await
            .map_err(|error| Fault::of(&error))?;
        let active = row.map(|row| ModelState { model_set: row.model_set, contract: row.contract_id });
        if let Some(fault) = std::mem::take(&mut self.model).fault(active) {
            self.report_fault(fault);
        }
        Ok(())
    }

    /// Compares the shadow model set with the one that the rows record last.
    async fn check_shadow(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let row = shadow_row().optional(snapshot).await.map_err(|error| Fault::of(&error))?;
        if row.clone().is_some_and(|row| row.verified(self.keys).is_err()) {
            self.report_fault(AuditFault::ShadowChanged);
            return Ok(());
        }
        let stored = row.map(|row| ShadowState {
            model_set: row.model_set,
            contract: row.contract_id,
            share_millionths: row.share_millionths.into(),
        });
        if let Some(fault) = std::mem::take(&mut self.shadow).fault(stored) {
            self.report_fault(fault);
        }
        Ok(())
    }

    /// Compares the active calibrations with those that the rows record last.
    async fn check_calibrations(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let rows = sqlx::query!("SELECT model_set, file FROM store.active_calibration")
            .fetch_all(snapshot)
            .await
            .map_err(|error| Fault::of(&error))?;
        let active = rows.into_iter().map(|row| (row.model_set, digest(&row.file))).collect();
        for fault in std::mem::take(&mut self.calibrations).faults(&active) {
            self.report_fault(fault);
        }
        Ok(())
    }
}
