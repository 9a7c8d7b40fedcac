"""The connector: reads OPC UA servers, filters, stores on disk and forwards readings over HTTP."""
