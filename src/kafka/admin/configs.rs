//! What a topic is set to.

use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_ResourceType_t as Resource;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::error::{KafkaError, code_name, text_of};
use super::super::native::c_string;
use super::request::{Call, Requester, elements};

impl<C: ClientContext> Requester<'_, C> {
    /// One setting of a topic, as the broker has it in force; None where it knows no such setting.
    pub(super) fn topic_config(&self, topic: &str, setting: &str, deadline: Instant) -> Result<Option<String>, KafkaError> {
        let call =
            Call { name: "DescribeConfigs", operation: Operation::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, subject: topic, deadline };
        let name = c_string("a topic's name", topic)?;
        let answer = self.ask(call, |client, options, queue| {
            // SAFETY: the name is copied; the resource is destroyed after the call, which copies it.
            unsafe {
                let mut resource = sys::rd_kafka_ConfigResource_new(Resource::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
                sys::rd_kafka_DescribeConfigs(client, &raw mut resource, 1, options.as_ptr(), queue);
                sys::rd_kafka_ConfigResource_destroy(resource);
            }
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of DescribeConfigs and alive, and with it all that it owns.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(answer.as_ptr());
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            let Some(&resource) = elements(resources, count).first() else { return Ok(None) };
            match sys::rd_kafka_ConfigResource_error(resource) {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                code => return Err(call.refused(&code_name(code), &text_of(sys::rd_kafka_ConfigResource_error_string(resource)))),
            }
            let entries = elements(sys::rd_kafka_ConfigResource_configs(resource, &raw mut count), count);
            let wanted = entries.iter().find(|&&entry| text_of(sys::rd_kafka_ConfigEntry_name(entry)) == setting);
            Ok(wanted.map(|&entry| text_of(sys::rd_kafka_ConfigEntry_value(entry))))
        }
    }
}
