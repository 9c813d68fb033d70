//! Envelopes that are no readings: alerts, heartbeats and states of the system. They carry `seq` inside of the payload, which the
//! table of events keeps whole.

use super::layout::{Layout, seq};
use super::members::Members;
use super::reading::{Content, Reading};
use super::sensors::{SENSORS, SWITCH};

impl Layout {
    /// Writes the members of an event. Inner and outer time are the same.
    pub(super) fn write_event(&mut self, to: &mut impl Members, reading: &Reading) {
        match reading.content {
            Content::Reading | Content::Heartbeat => self.heartbeat(to, reading),
            Content::Alert => self.alert(to, reading),
            Content::SystemStatus => self.system_status(to, reading),
        }
    }

    fn alert(&mut self, to: &mut impl Members, reading: &Reading) {
        self.envelope_head(to, reading, "alert");
        let sensor = reading.numbers().next().unwrap_or(0);
        let (value, decimals) = (reading.values[sensor], SENSORS[sensor].decimals);
        to.open("\"payload\":");
        to.open("\"alert\":");
        to.text("\"alert_id\":", &self.text);
        to.text("\"device_id\":", &self.device_id);
        to.text("\"alert_type\":", "threshold");
        to.text("\"severity\":", ["info", "warning", "critical"][(reading.seq % 3) as usize]);
        to.text("\"title\":", "value high");
        to.text("\"message\":", "the value is above its threshold");
        to.integer("\"timestamp\":", reading.event_ms);
        to.text("\"status\":", "active");
        to.open("\"threshold\":");
        to.text("\"field\":", SENSORS[sensor].name);
        to.text("\"operator\":", "gt");
        to.fixed("\"value\":", value - 1, decimals);
        to.text("\"unit\":", SENSORS[sensor].unit);
        to.close();
        to.fixed("\"current_value\":", value, decimals);
        to.close();
        to.text("\"device_id\":", &self.device_id);
        to.boolean("\"resolved\":", false);
        to.integer("\"seq\":", seq(reading));
        to.close();
        to.integer("\"priority\":", 10);
    }

    fn heartbeat(&mut self, to: &mut impl Members, reading: &Reading) {
        self.envelope_head(to, reading, "heartbeat");
        to.open("\"payload\":");
        to.open("\"heartbeat\":");
        to.text("\"device_id\":", &self.device_id);
        to.integer("\"timestamp\":", reading.event_ms);
        to.text("\"status\":", "online");
        to.integer("\"battery\":", reading.battery);
        to.close();
        to.text("\"device_id\":", &self.device_id);
        to.integer("\"seq\":", seq(reading));
        to.close();
        to.text("\"priority\":", "low");
    }

    fn system_status(&mut self, to: &mut impl Members, reading: &Reading) {
        self.envelope_head(to, reading, "system_status");
        to.open("\"payload\":");
        to.open("\"system_status\":");
        to.text("\"device_id\":", &self.device_id);
        to.integer("\"timestamp\":", reading.event_ms);
        to.text("\"status\":", if reading.values[SWITCH] != 0 { "running" } else { "idle" });
        to.integer("\"signal_strength\":", reading.signal);
        to.close();
        to.text("\"device_id\":", &self.device_id);
        to.integer("\"seq\":", seq(reading));
        to.close();
        to.text("\"priority\":", "normal");
    }
}
