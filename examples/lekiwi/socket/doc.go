// Package socket is the server's side of /ws: heartbeats in, changes out.
//
// A connection has one goroutine that reads and one that writes. What is to be
// written waits in the connection, and of each robot only the newest state: so
// a watcher who is slow sees fewer states and no wrong one, and holds nobody up.
package socket
