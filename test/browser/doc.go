// Package browser tests the pages in the browser that Debian ships.
//
// What comes in are handlers: pages made of the elements alone, the pages of
// internal/ui over a store whose events are known, and the agent itself. Each
// test has a tab of its own in one headless chromium. A tab fails its test for
// whatever a visitor should never meet: a violation of the content security
// policy, an exception, an error in the console, a request to another host.
//
// No test asserts a time. What is measured is logged; -loads=10 measures more,
// -update writes the pictures in docs/screenshots anew.
package browser
