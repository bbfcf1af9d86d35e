// Package mapping makes one record of another, as a runbook declares it.
//
//	copy: [name, hostname]                          # as they are
//	map:
//	  id: [id, ip_address]                          # the first that has a value
//	  status: {from: status, values: {running: online, stopped: offline}, default: offline}
//	  type:
//	    - {from: type, lower: true, values: {lekiwi: lekiwi, xle: xlerobot}}
//	    - {expr: 'record.hostname.contains("xle") ? "xlerobot" : "lekiwi"'}
//	    - {value: unknown}
//	  last_seen: {from: last_seen, as: time, required: true}
//
// A field that is missing, null or an empty text has no value: then the next
// alternative counts, and the default after the last one. Where none has a value
// the field is left out, unless it is required. What has a value that cannot be
// what it is to be makes the record a bad one: it is never guessed at.
package mapping
