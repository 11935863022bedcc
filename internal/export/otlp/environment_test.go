package otlp

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// environment returns a getenv over pairs of "NAME=value".
func environment(list ...string) func(string) string {
	return func(name string) string {
		for _, entry := range list {
			if key, value, _ := strings.Cut(entry, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestReadSignal(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	for _, tt := range []struct {
		name            string
		env             []string
		traces, metrics bool
		grpc            bool // of traces
		warning         string
	}{
		{name: "nothing set is off"},
		{name: "an empty endpoint is off", env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT= "}},
		{name: "other variables alone are off", env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_EXPORTER=otlp"}},
		{name: "the endpoint turns both on", env: []string{endpoint}, traces: true, metrics: true},
		{name: "a traces endpoint turns traces on", env: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c/v1/traces"}, traces: true},
		{name: "a metrics endpoint turns metrics on", env: []string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://c/v1/metrics"}, metrics: true},
		{name: "the SDK disabled is off", env: []string{endpoint, "OTEL_SDK_DISABLED=TRUE"}},
		{name: "only true disables the SDK", env: []string{endpoint, "OTEL_SDK_DISABLED=1"}, traces: true, metrics: true},
		{name: "traces none", env: []string{endpoint, "OTEL_TRACES_EXPORTER=none"}, metrics: true},
		{name: "metrics none", env: []string{endpoint, "OTEL_METRICS_EXPORTER=none"}, traces: true},
		{name: "otlp among others is on, others are named", env: []string{endpoint, "OTEL_TRACES_EXPORTER=console, otlp"}, traces: true, metrics: true, warning: "console"},
		{name: "another exporter instead of otlp is off", env: []string{endpoint, "OTEL_METRICS_EXPORTER=prometheus"}, traces: true, warning: "prometheus"},
		{name: "grpc", env: []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, traces: true, metrics: true, grpc: true},
		{name: "the signal's protocol wins", env: []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"}, traces: true, metrics: true, grpc: true},
		{name: "http/json for traces", env: []string{endpoint, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"}, traces: true, metrics: true},
		{name: "http/json for metrics is named and ignored", env: []string{endpoint, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json"}, traces: true, metrics: true, warning: "http/json"},
		{name: "an unknown protocol is named and ignored", env: []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=thrift"}, traces: true, metrics: true, warning: "thrift"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			getenv := environment(tt.env...)
			traces, metrics := readSignal(getenv, log, "traces"), readSignal(getenv, log, "metrics")
			if traces.on != tt.traces || metrics.on != tt.metrics || traces.grpc != tt.grpc {
				t.Errorf("traces %v, metrics %v, grpc %v; want %v, %v, %v", traces.on, metrics.on, traces.grpc, tt.traces, tt.metrics, tt.grpc)
			}
			if got, want := Enabled(getenv), tt.traces || tt.metrics; got != want {
				t.Errorf("Enabled = %v, want %v", got, want)
			}
			if logged := out.String(); tt.warning == "" && logged != "" || !strings.Contains(logged, tt.warning) {
				t.Errorf("logged %q, want %q in it", logged, tt.warning)
			}
		})
	}
}

func TestSignal_check(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint string
		grpc, ok       bool
	}{
		{"http URL", "http://localhost:4318", false, true},
		{"https URL with a path", "https://collector.example/otlp", false, true},
		{"host and port without a scheme", "localhost:4318", false, false},
		{"address without a scheme", "127.0.0.1:4318", false, false},
		{"another scheme", "ftp://localhost", false, false},
		{"no host", "http:///v1/traces", false, false},
		{"gRPC target without a scheme", "localhost:4317", true, true},
		{"gRPC target with a resolver", "dns:///collector:4317", true, true},
		{"gRPC address that is no URL", "127.0.0.1:4317", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := signal{variable: "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint: tt.endpoint, grpc: tt.grpc}.check()
			if (err == nil) != tt.ok {
				t.Fatalf("got error %v, want ok %v", err, tt.ok)
			}
			if err != nil && (!strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") || !strings.Contains(err.Error(), tt.endpoint)) {
				t.Errorf("the error does not name variable and value: %v", err)
			}
		})
	}
}

func TestSignal_hidesThePassword(t *testing.T) {
	if text := (signal{endpoint: "http://me:secret@collector:4318"}).String(); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestResourceAttributes(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        [][2]string
		fails       bool
	}{
		{name: "nothing"},
		{name: "pairs in their order", value: "b=2, a = 1 ,", want: [][2]string{{"b", "2"}, {"a", "1"}}},
		{name: "percent-encoding", value: "k=a%2Cb%3Dc%20d", want: [][2]string{{"k", "a,b=c d"}}},
		{name: "a plus is a plus", value: "k=a+b", want: [][2]string{{"k", "a+b"}}},
		{name: "an empty value stays", value: "k=", want: [][2]string{{"k", ""}}},
		{name: "the last of equal keys counts", value: "k=1,l=2,k=3", want: [][2]string{{"l", "2"}, {"k", "3"}}},
		{name: "no equals sign", value: "a=1,b", fails: true},
		{name: "no key", value: "=1", fails: true},
		{name: "broken encoding", value: "a=%zz", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ResourceAttributes(environment("OTEL_RESOURCE_ATTRIBUTES=" + tt.value))
			if (err != nil) != tt.fails || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q, failure %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

func FuzzResourceAttributes(f *testing.F) {
	f.Add("a=1,b=%20,a=2")
	f.Fuzz(func(t *testing.T, value string) {
		pairs, err := ResourceAttributes(environment("OTEL_RESOURCE_ATTRIBUTES=" + value))
		if err != nil && pairs != nil {
			t.Errorf("attributes %q beside the error %v", pairs, err)
		}
		seen := map[string]bool{}
		for _, p := range pairs {
			if p[0] == "" || seen[p[0]] {
				t.Errorf("empty or double key in %q", pairs)
			}
			seen[p[0]] = true
		}
	})
}

func TestResources(t *testing.T) {
	for _, tt := range []struct {
		name           string
		fromEnv        [][2]string
		ownName        string
		service        string
		want, wantsOwn [][2]string
	}{
		{
			name: "a known service", service: "shop",
			want:     [][2]string{{"service.name", "shop"}, {"host.name", "node"}, {"os.type", "linux"}},
			wantsOwn: [][2]string{{"service.name", "goshawk"}, {"service.version", "v1"}, {"host.name", "node"}, {"os.type", "linux"}},
		},
		{
			name:     "an unknown service",
			want:     [][2]string{{"service.name", "unknown_service:goshawk"}, {"host.name", "node"}, {"os.type", "linux"}},
			wantsOwn: [][2]string{{"service.name", "goshawk"}, {"service.version", "v1"}, {"host.name", "node"}, {"os.type", "linux"}},
		},
		{
			name: "the environment's service is Goshawk, the rest is everyone's", service: "shop",
			fromEnv: [][2]string{
				{"service.name", "agent"}, {"service.version", "v9"}, {"service.instance.id", "i"}, {"service.namespace", "eu"}, {"host.name", "alias"},
			},
			want: [][2]string{{"service.name", "shop"}, {"host.name", "alias"}, {"os.type", "linux"}, {"service.namespace", "eu"}},
			wantsOwn: [][2]string{
				{"service.name", "agent"}, {"service.version", "v9"}, {"service.instance.id", "i"},
				{"host.name", "alias"}, {"os.type", "linux"}, {"service.namespace", "eu"},
			},
		},
		{
			name: "OTEL_SERVICE_NAME wins for Goshawk alone", service: "shop", ownName: "mine",
			fromEnv:  [][2]string{{"service.name", "agent"}},
			want:     [][2]string{{"service.name", "shop"}, {"host.name", "node"}, {"os.type", "linux"}},
			wantsOwn: [][2]string{{"service.name", "mine"}, {"service.version", "v1"}, {"host.name", "node"}, {"os.type", "linux"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newResources("node", "linux", "v1", tt.fromEnv, tt.ownName)
			if got := r.of(tt.service); !slices.Equal(got, tt.want) {
				t.Errorf("service: got %q, want %q", got, tt.want)
			}
			if !slices.Equal(r.own, tt.wantsOwn) {
				t.Errorf("own: got %q, want %q", r.own, tt.wantsOwn)
			}
		})
	}
}
