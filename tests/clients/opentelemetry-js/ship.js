// Logs COUNT records through OpenTelemetry's SDK: node ship.js URL TOKEN COUNT (json|protobuf) [pause]
// With pause it says "half" after half of them and goes on when a line comes in.
import { once } from "node:events";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

const [url, token, count, kind, pause] = process.argv.slice(2);
const Exporter = kind === "json" ? JsonExporter : ProtobufExporter;
const exporter = new Exporter({
  url: `${url}/v1/logs`,
  headers: { Authorization: `Bearer ${token}` },
  compression: kind === "json" ? "gzip" : "none",
  timeoutMillis: 60_000,
});
const processor = new BatchLogRecordProcessor({
  exporter,
  maxQueueSize: 100_000,
  maxExportBatchSize: 100,
  scheduledDelayMillis: 50,
  exportTimeoutMillis: 60_000,
});
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-js" }),
  processors: [processor],
});
const logger = provider.getLogger("orders", "1.0");
for (let number = 0; number < Number(count); number += 1) {
  logger.emit({
    severityNumber: SeverityNumber.WARN,
    severityText: "WARN",
    body: `order ${number} is late`,
    attributes: { order_id: number, nested: { list: [1, "b", true] }, ratio: 0.5 },
  });
  if (pause && number === Math.floor(Number(count) / 2)) {
    console.log("half");
    await once(process.stdin, "data");
    process.stdin.unref();
  }
}
await provider.forceFlush();
await provider.shutdown();
