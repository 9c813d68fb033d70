CREATE VIEW windows AS
WITH parts AS (
  SELECT *, count(*) OVER w AS parts, sum(count) OVER w AS n, sum(count * mean) OVER w / nullif(sum(count) OVER w, 0) AS mu
  FROM read_parquet('lake/aggregates/**/*.parquet')
  WINDOW w AS (PARTITION BY window_start, window_end, device_id, sensor)
)
SELECT window_start, window_end, device_id, sensor,
       sum(count) AS count, sum(count_bad) AS count_bad,
       any_value(mu) AS mean,
       sum(m2 + count * (mean - mu) ** 2) AS m2,
       sqrt(sum(m2 + count * (mean - mu) ** 2) / nullif(sum(count), 0)) AS stddev,
       min(min) AS min, max(max) AS max,
       arg_min(first, (first_time, topic, partition, offset_from)) AS first,
       arg_max(last, (last_time, topic, partition, offset_from)) AS last,
       min(first_time) AS first_time, max(last_time) AS last_time,
       CASE WHEN max(parts) = 1 THEN any_value(time_weighted_mean) END AS time_weighted_mean,
       CASE WHEN max(parts) = 1 THEN any_value(transitions) END AS transitions,
       CASE WHEN max(parts) = 1 THEN any_value(time_on_us) END AS time_on_us,
       max(parts) AS parts, bool_or(partial) AS partial
FROM parts
GROUP BY window_start, window_end, device_id, sensor;
