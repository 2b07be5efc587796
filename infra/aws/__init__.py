"""CloudBill on AWS: the parts that `infra/contract.py` names, made of AWS's own."""
