use std::time::Duration;

use padan_verification::{
    Clients, CpuTime, EngineIdentity, PoolFigures, QuotaFigures, Sampled, ShadowFigures, ShadowState,
    ShadowSummary, StatedRate, Verifier, VerifierFigures,
};
use prometheus::{Counter, Encoder as _, IntCounter, TextEncoder};

use super::Metrics;

impl Metrics {
    /// The metrics in Prometheus' text format, with the current figures of registry, store and engine.
    pub(crate) fn text(
        &self,
        verifier: &Verifier,
        clients: &Clients,
        service_states: [(&str, bool); 3],
    ) -> Result<Vec<u8>, prometheus::Error> {
        // Counters are raised to the totals that the figures have. Two scrapes at once would raise them twice.
        let one_at_a_time = self.observing.lock();
        self.observe(verifier.figures());
        self.observe_identity(&verifier.engine_identity());
        self.observe_quotas(&clients.quota_figures());
        self.clients_not_signed.set(whole(clients.refused_in_store()));
        for (component, ready) in service_states {
            self.ready.with_label_values(&[component]).set(ready.into());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        drop(one_at_a_time);
        Ok(text)
    }

    fn observe(&self, figures: VerifierFigures) {
        let VerifierFigures {
            engine,
            registry,
            store,
            audit,
            unreadable_templates,
            model_outdated,
            sampled,
            cpu,
            live,
            shadow,
        } = figures;
        raise(&self.unreadable_templates, unreadable_templates);
        self.model_behind.set(model_outdated.into());
        self.queue_depth.set(whole(engine.queued));
        self.queue_capacity.set(whole(engine.queue_length));
        self.workers.set(whole(engine.workers));
        self.workers_busy.set(whole(engine.busy));
        self.pixels_held.set(large(engine.pixels));
        self.pixels_limit.set(large(engine.max_pixels));
        raise(&self.queue_refused, engine.refused);
        raise(&self.queue_expired, engine.expired);
        raise(&self.embedding_runs, engine.shared_runs);
        raise(&self.embedding_faces, engine.shared_faces);
        // A replica that does not answer must show no lag instead of its last one.
        self.replica_lag.reset();
        for replica in &registry {
            let name = replica.pool.name.as_str();
            self.registry_in_turn.with_label_values(&[name]).set(replica.in_turn.into());
            self.registry_too_far_behind.with_label_values(&[name]).set(replica.too_far_behind.into());
            if let Some(seconds) = replica.lag_seconds {
                self.replica_lag.with_label_values(&[name]).set(seconds);
            }
            self.observe_pool("registry", &replica.pool);
        }
        self.observe_pool("store", &store);
        raise(&self.audit_rows.with_label_values(&["durable"]), audit.rows);
        raise(&self.audit_rows.with_label_values(&["failed"]), audit.failed);
        self.impostor_reservoir.set(whole(live.reservoir_people));
        raise(&self.impostors_told_apart, live.told_apart);
        self.observe_shadow(&shadow);
        self.observe_samples(&sampled);
        for CpuTime { client, time } in &cpu {
            raise_seconds(&self.client_cpu.with_label_values(&[client.as_str()]), *time);
        }
    }

    fn observe_shadow(&self, ShadowFigures { state, counts }: &ShadowFigures) {
        self.shadow_share.reset();
        self.shadow_loaded.reset();
        if let Some(ShadowState { model_set, contract, share, is_loaded }) = state {
            let labels = [model_set.as_str(), contract.as_str()];
            self.shadow_share.with_label_values(&labels).set(share.value());
            self.shadow_loaded.with_label_values(&labels).set((*is_loaded).into());
        }
        for (contract, counts) in counts {
            let summary = ShadowSummary::of(counts);
            for (outcome, requests) in &summary.outcomes {
                raise(
                    &self.shadow_requests.with_label_values(&[contract.as_str(), outcome.as_str()]),
                    *requests,
                );
            }
            let changes =
                [("same", summary.same()), ("pass", summary.would_pass), ("fail", summary.would_fail)];
            for (change, requests) in changes {
                raise(&self.shadow_decisions.with_label_values(&[contract.as_str(), change]), requests);
            }
            for ([percentage, shadow], requests) in &summary.percentages {
                let labels = [contract.as_str(), &percentage.to_string(), &shadow.to_string()];
                raise(&self.shadow_percentages.with_label_values(&labels), *requests);
            }
            raise_seconds(&self.shadow_cpu.with_label_values(&[contract.as_str()]), summary.cpu);
        }
    }

    fn observe_samples(&self, Sampled { ready, templates, enrolment }: &Sampled) {
        for (component, ready) in ready {
            self.ready.with_label_values(&[*component]).set((*ready).into());
        }
        self.templates.reset();
        for count in templates {
            self.templates.with_label_values(&[count.contract.as_str()]).set(large(count.templates));
        }
        self.enrolment_people.reset();
        if let Some(tally) = enrolment {
            // Covered ones are told apart, so that the sum of the states is the number of people.
            let bare = tally.templates.saturating_sub(tally.covered);
            for (state, people) in [
                ("enrolled", bare),
                ("covered", tally.covered),
                ("unusable", tally.unusable),
                ("failed", tally.failed),
            ] {
                self.enrolment_people.with_label_values(&[state]).set(large(people));
            }
        }
    }

    fn observe_identity(&self, identity: &EngineIdentity) {
        let EngineIdentity { model_set, contract, calibration, device, precision, stated_fmr } = identity;
        self.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        // The model may have been replaced.
        self.model_info.reset();
        self.model_info.with_label_values(&[model_set.as_str(), contract.as_str()]).set(1);
        self.calibration_info.reset();
        self.calibration_info.with_label_values(&[calibration.as_str()]).set(1);
        self.device_info.reset();
        self.device_info.with_label_values(&[*device, *precision]).set(1);
        self.stated_fmr.reset();
        for StatedRate { percentage, fmr } in stated_fmr {
            self.stated_fmr.with_label_values(&[percentage.to_string()]).set(*fmr);
        }
    }

    fn observe_quotas(&self, figures: &[QuotaFigures]) {
        self.client_quota_used.reset();
        for QuotaFigures { client, period, used_ratio } in figures {
            self.client_quota_used.with_label_values(&[client.as_str(), period.as_str()]).set(*used_ratio);
        }
    }

    fn observe_pool(&self, database: &str, pool: &PoolFigures) {
        let host = pool.name.as_str();
        for (state, count) in [
            ("max", pool.max_connections),
            ("open", pool.connections),
            ("idle", pool.idle),
            ("in_use", pool.in_use),
        ] {
            self.pool_connections.with_label_values(&[database, host, state]).set(count.into());
        }
        for (outcome, count) in
            [("any", pool.acquisitions), ("timeout", pool.timeouts), ("failure", pool.failures)]
        {
            raise(&self.pool_attempts.with_label_values(&[database, host, outcome]), count);
        }
        raise_seconds(&self.pool_wait.with_label_values(&[database, host]), pool.acquire_wait);
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn large(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn raise_seconds(counter: &Counter, to: Duration) {
    counter.inc_by((to.as_secs_f64() - counter.get()).max(0.0));
}

fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
