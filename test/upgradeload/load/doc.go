// Package load puts requests on a server at even intervals and says exactly which of
// them got no answer.
//
// What comes in are an address, a kind of traffic ([Kind]) and a rate ([Options]). The
// stages: every request has a time at which it is meant to be sent, set before the run
// begins. A bounded number of workers takes the requests in their order, waits for the
// time of each, and sends it; one that is late is sent at once. Its latency counts from
// the time it was meant to be sent, so a server that stalls is charged for all that
// wait (an open loop without coordinated omission). The answer carries the number of
// the request and the id of the server's process, and both are checked.
//
// What goes out is a [Result]: the latency of each answer, with the process that gave
// it, and each loss with its kind, its time and its cause.
//
// Nothing is sent twice by this package. What else could hide a loss is kept out:
//
//   - HTTP/1.1 is spoken over plain connections. The Transport of net/http sends a
//     request again by itself when a reused connection breaks before the answer, if the
//     request is idempotent, and also any request of which it wrote nothing yet. A
//     connection that the server has closed between two requests is noticed before the
//     next one, as any pool of connections does, and is no loss
//     ([Result.IdleClosed]).
//   - HTTP/2 and gRPC send a stream again that the server has refused (REFUSED_STREAM,
//     or above the last stream of its GOAWAY): it promises not to have begun it, so
//     this is a part of the protocol. It is no loss, and counted ([Result.Resent]).
//     Requests are POST without an idempotency key, which net/http repeats in no other
//     case; the retries of grpc-go that a service configuration can ask for are off.
//
// It refuses to guess: an answer of another status, to another request or without the
// id of a process is a loss.
package load
