"""CloudBill on Google Cloud: Cloud Run, Cloud SQL, Memorystore behind a global load balancer."""
