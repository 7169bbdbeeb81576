/* NVIDIA GPUs as the PCI bus has them: whether a machine without a driver has something to drive. */
#ifndef DF_CLIENT_DOCTOR_PCI_GPUS_H
#define DF_CLIENT_DOCTOR_PCI_GPUS_H

#define DF_PCI_DEVICES "/sys/bus/pci/devices"

/* How many there are below dir (DF_PCI_DEVICES, but in tests); -1 where it cannot be read. */
int df_pci_gpus(const char *dir);

#endif
