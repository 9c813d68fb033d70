-- Five formats in one topic: the members of all of them are read, and what is where depends on the format. `location` is an object or
-- a string, `timestamp` a number or RFC 3339, so both are read as JSON and looked into.
WITH messages AS (
    SELECT
        *,
        coalesce(payload.device.sensors, sensors) AS s,
        coalesce(payload.device.device_info, device_info) AS info,
        coalesce(payload.device.location, location) AS place,
        coalesce(payload.device."timestamp", "timestamp") AS stamp,
        coalesce(payload.device.device_type, device_type) AS kind
    FROM read_json('$FILES', format = 'newline_delimited', columns = {
        device_id: 'VARCHAR',
        device_type: 'VARCHAR',
        "timestamp": 'VARCHAR',
        status: 'VARCHAR',
        location: 'JSON',
        sensors: 'STRUCT(
            temperature STRUCT("value" DOUBLE, status VARCHAR),
            humidity STRUCT("value" DOUBLE, status VARCHAR),
            pressure STRUCT("value" DOUBLE, status VARCHAR),
            "current" STRUCT("value" DOUBLE, status VARCHAR),
            switch_status STRUCT("value" BOOLEAN, status VARCHAR))',
        device_info: 'STRUCT(model VARCHAR, firmware VARCHAR, battery DOUBLE, signal_strength DOUBLE)',
        message_id: 'VARCHAR',
        source: 'VARCHAR',
        payload: 'STRUCT(device STRUCT(
            device_id VARCHAR,
            device_type VARCHAR,
            "timestamp" VARCHAR,
            status VARCHAR,
            location JSON,
            sensors STRUCT(
                temperature STRUCT("value" DOUBLE, status VARCHAR),
                humidity STRUCT("value" DOUBLE, status VARCHAR),
                pressure STRUCT("value" DOUBLE, status VARCHAR),
                "current" STRUCT("value" DOUBLE, status VARCHAR),
                switch_status STRUCT("value" BOOLEAN, status VARCHAR)),
            device_info STRUCT(model VARCHAR, firmware VARCHAR, battery DOUBLE, signal_strength DOUBLE)))',
        temperature: 'DOUBLE',
        humidity: 'DOUBLE',
        pressure: 'DOUBLE',
        "current": 'DOUBLE',
        switch_status: 'BOOLEAN',
        battery_level: 'DOUBLE',
        "value": 'JSON',
        metadata: 'STRUCT(model VARCHAR, firmware VARCHAR, battery_level DOUBLE)',
        seq: 'BIGINT'
    })
)
SELECT
    CASE WHEN contains(stamp, ':') THEN CAST(stamp AS TIMESTAMPTZ) ELSE make_timestamptz(CAST(stamp AS BIGINT) * 1000) END AS event_time,
    coalesce(payload.device.device_id, device_id) AS device_id,
    kind AS device_type,
    CASE WHEN json_type(place) = 'VARCHAR' THEN place ->> '$' ELSE place ->> '$.building' END AS building,
    CAST(place ->> '$.floor' AS INTEGER) AS floor,
    place ->> '$.room' AS room,
    place ->> '$.zone' AS zone,
    coalesce(info.model, metadata.model) AS model,
    coalesce(info.firmware, metadata.firmware) AS firmware,
    coalesce(info.battery, metadata.battery_level, battery_level) AS battery,
    info.signal_strength AS signal_strength,
    coalesce(payload.device.status, status) AS status,
    message_id,
    source,
    coalesce(s.temperature.value, temperature, CASE WHEN kind = 'temperature_sensor' THEN CAST("value" AS DOUBLE) END) AS temperature,
    s.temperature.status AS temperature_status,
    coalesce(s.humidity.value, humidity, CASE WHEN kind = 'humidity_sensor' THEN CAST("value" AS DOUBLE) END) AS humidity,
    s.humidity.status AS humidity_status,
    coalesce(s.pressure.value, pressure, CASE WHEN kind = 'pressure_sensor' THEN CAST("value" AS DOUBLE) END) AS pressure,
    s.pressure.status AS pressure_status,
    coalesce(s.current.value, "current", CASE WHEN kind = 'current_sensor' THEN CAST("value" AS DOUBLE) END) AS "current",
    s.current.status AS current_status,
    coalesce(s.switch_status.value, switch_status, CASE WHEN kind = 'switch_status_sensor' THEN CAST("value" AS BOOLEAN) END) AS switch_status,
    s.switch_status.status AS switch_status_status,
    seq
FROM messages
