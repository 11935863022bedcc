// Package client asks an API v1 and returns its wire types.
//
// What comes in are typed queries; they go out as requests over an
// [http.RoundTripper]: a network's, or one made by [InProcess] that calls a
// handler without a socket. What comes back is decoded, or is an [*Error] with
// what the server had to say. The package retries nothing and keeps nothing,
// and it refuses answers of more than 256 MiB.
package client
