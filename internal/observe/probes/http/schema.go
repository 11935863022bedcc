package http

import "github.com/goshawk-io/goshawk/internal/model"

// The positions of the fields in Schema.Fields.
const (
	fieldRole = iota
	fieldMethod
	fieldRoute
	fieldTemplate
	fieldPath
	fieldStatus
	fieldErrorType
	fieldOutcome
	fieldServerAddress
	fieldServerPort
	fieldClientAddress
	fieldClientPort
	fieldScheme
	fieldProtocol
	fieldRequestSize
	fieldResponseSize
	fieldFunction
	fieldFile
	fieldLine
	fieldPID
	fieldCount
)

// Schema returns the description of the http probe's events.
func Schema() *model.Schema {
	return &model.Schema{
		Probe:   "http",
		Fields:  fields(),
		Metrics: metrics(),
		Failure: "error.type",
		Span: &model.Span{
			Kind: model.SpanServer, Name: "http.request.method", Names: []string{"url.template", "http.route"},
			ClientWhen: model.Match{Key: "goshawk.role", Value: roleClient},
		},
		Groups:  []string{"goshawk.role", "http.request.method", "http.route", "url.template", "server.address", "http.response.status_code"},
		Tallied: true,
	}
}

// The texts of goshawk.role.
const (
	roleServer = "server"
	roleClient = "client"
)

func fields() []model.Field {
	f := make([]model.Field, fieldCount)
	f[fieldRole] = model.Field{Key: "goshawk.role", Kind: model.KindString, Column: "ROLE", Width: 6, Summary: "server for a request that the process serves, client for one that it makes."}
	f[fieldMethod] = model.Field{Key: "http.request.method", Kind: model.KindString, Column: "METHOD", Width: 7, Summary: "Method of the request; _OTHER in metrics for one that is not known."}
	f[fieldRoute] = model.Field{Key: "http.route", Kind: model.KindString, Column: "ROUTE", Width: 24, Summary: "Route that the router found: http.ServeMux (Go 1.22), chi, gin, echo or gorilla/mux."}
	f[fieldTemplate] = model.Field{Key: "url.template", Kind: model.KindString, Summary: "The path with {id} for what looks like an identifier, without a route or below one that ends in a slash; unset where nothing was found."}
	f[fieldPath] = model.Field{Key: "url.path", Kind: model.KindString, Column: "PATH", Summary: "Path of the URL, cut at 255 bytes."}
	f[fieldStatus] = model.Field{Key: "http.response.status_code", Kind: model.KindInt, Column: "STATUS", Width: 6, Outcome: true, Summary: "Status of the response; unset when there was none, or nobody knows."}
	f[fieldErrorType] = model.Field{Key: "error.type", Kind: model.KindString, Summary: "Set when the request failed: the status (from 500 on for a server, from 400 on for a client), panic, aborted, or error for a client without a response."}
	f[fieldOutcome] = model.Field{Key: "goshawk.http.outcome", Kind: model.KindString, Summary: "done; panic when the handler panicked and nothing but net/http recovered; hijacked when it took over the connection; aborted when it ended its goroutine or panicked with http.ErrAbortHandler; error for a client without a response."}
	f[fieldServerAddress] = model.Field{Key: "server.address", Kind: model.KindString, Summary: "Host that the client asked for."}
	f[fieldServerPort] = model.Field{Key: "server.port", Kind: model.KindInt, Summary: "Port that the client asked for, where it says."}
	f[fieldClientAddress] = model.Field{Key: "client.address", Kind: model.KindString, Summary: "Address that the request came from."}
	f[fieldClientPort] = model.Field{Key: "client.port", Kind: model.KindInt, Summary: "Port that the request came from."}
	f[fieldScheme] = model.Field{Key: "url.scheme", Kind: model.KindString, Summary: "http or https."}
	f[fieldProtocol] = model.Field{Key: "network.protocol.version", Kind: model.KindString, Summary: "1.1 or 2 (1.1 stands for 1.0 too)."}
	f[fieldRequestSize] = model.Field{Key: "http.request.body.size", Kind: model.KindInt, Unit: "By", Summary: "Length of the request's body as its header says."}
	f[fieldResponseSize] = model.Field{Key: "http.response.body.size", Kind: model.KindInt, Unit: "By", Summary: "Bytes of the body that the handler wrote."}
	f[fieldFunction] = model.Field{Key: "code.function.name", Kind: model.KindString, Summary: "At a panic, the first function of its stack outside of the standard library."}
	f[fieldFile] = model.Field{Key: "code.file.path", Kind: model.KindString, Summary: "Source file of that function."}
	f[fieldLine] = model.Field{Key: "code.line.number", Kind: model.KindInt, Summary: "Line in that file."}
	f[fieldPID] = model.Field{Key: "process.pid", Kind: model.KindInt, Summary: "Process in the root PID namespace."}
	return f
}

func metrics() []model.Metric {
	server := []model.Label{
		{Name: "http_request_method", Field: "http.request.method"}, {Name: "http_route", Field: "http.route"},
		{Name: "url_template", Field: "url.template"},
		{Name: "http_response_status_code", Field: "http.response.status_code"}, {Name: "error_type", Field: "error.type"},
	}
	client := []model.Label{
		{Name: "http_request_method", Field: "http.request.method"}, {Name: "server_address", Field: "server.address"},
		{Name: "http_response_status_code", Field: "http.response.status_code"}, {Name: "error_type", Field: "error.type"},
	}
	// The bounds that the semantic conventions advise.
	buckets := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	return []model.Metric{
		{
			Name: "http.server.request.duration", Kind: model.Histogram, Unit: "s", Buckets: buckets,
			Summary: "How long requests took that were served.", Labels: server, When: "goshawk.role", Equals: roleServer,
		},
		{
			Name: "http.client.request.duration", Kind: model.Histogram, Unit: "s", Buckets: buckets,
			Summary: "How long requests took that were made, until the header of the response.", Labels: client, When: "goshawk.role", Equals: roleClient,
		},
	}
}
